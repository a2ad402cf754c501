"""What turns hold while they run: workspaces, places of the gateway and of users."""

from itertools import count

import attrs

from codara.events.vocabulary import WaitedFor

ASIDES = 2
"""How many asides of one user run at the same time, beside the user's limit."""


@attrs.frozen(kw_only=True)
class Wanted:
    """Names what one turn needs, all of it at once, besides a place of the gateway.

    An `exempt` turn is an aside: it counts in a small pool of its own instead of within
    `user_limit`, and names no workspace.
    """

    request_id: str
    turn_id: str
    user_id: str
    user_limit: int
    workspace_id: str | None = None
    exempt: bool = False


@attrs.frozen
class Lack:
    """Says what a turn cannot have yet, and which turn has it.

    Of a user's places that is the user's oldest turn; of the gateway's it is None.
    """

    what: WaitedFor
    behind: str | None


class HeldPlaces:
    """Knows which turn holds what; a turn holds all it wanted or nothing."""

    def __init__(self, max_concurrency: int, aside_limit: int) -> None:
        self._max_concurrency = max_concurrency
        self._aside_limit = aside_limit
        self._held: dict[str, Wanted] = {}
        self._workspaces: dict[str, str] = {}
        self._users: dict[tuple[str, bool], dict[str, int]] = {}

    def lacking(self, wanted: Wanted) -> Lack | None:
        """Finds the first thing that is not free; None if the turn could have everything."""
        if wanted.workspace_id in self._workspaces:
            return Lack("workspace", self._workspaces[wanted.workspace_id])
        of_user = self._users.get((wanted.user_id, wanted.exempt), {})
        if len(of_user) >= (self._aside_limit if wanted.exempt else wanted.user_limit):
            return Lack("user_limit", next(iter(of_user), None))
        if len(self._held) >= self._max_concurrency:
            return Lack("gateway", None)
        return None

    def take(self, wanted: Wanted) -> None:
        """Holds everything for the turn; only when it lacks nothing."""
        self._held[wanted.turn_id] = wanted
        pool = self._users.setdefault((wanted.user_id, wanted.exempt), {})
        taken = set(pool.values())
        pool[wanted.turn_id] = next(number for number in count() if number not in taken)
        if wanted.workspace_id is not None:
            self._workspaces[wanted.workspace_id] = wanted.turn_id

    def give_back(self, turn_id: str) -> bool:
        """Frees everything the turn holds; False if it holds nothing."""
        wanted = self._held.pop(turn_id, None)
        if wanted is None:
            return False
        pool = wanted.user_id, wanted.exempt
        del self._users[pool][turn_id]
        if not self._users[pool]:
            del self._users[pool]
        if wanted.workspace_id is not None:
            del self._workspaces[wanted.workspace_id]
        return True

    def holds(self, turn_id: str) -> bool:
        """Tells whether the turn has its places."""
        return turn_id in self._held

    def number_of(self, wanted: Wanted) -> int:
        """Tells which of its user's places the turn has: the lowest that was free, from 0."""
        return self._users[wanted.user_id, wanted.exempt][wanted.turn_id]

    def users(self) -> set[str]:
        """Collects the users whose turns hold something."""
        return {user_id for user_id, _ in self._users}

    def holder_of_workspace(self, name: str) -> str | None:
        """Finds the turn that holds the workspace."""
        return self._workspaces.get(name)
