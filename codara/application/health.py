"""Whether turns can run now, and if not, why."""

from collections.abc import Callable, Sequence

import attrs

Check = Callable[[], Sequence[str]]


@attrs.define
class Health:
    """Asks every part that could stand in the way."""

    checks: list[Check] = attrs.field(factory=list)

    def reasons(self) -> list[str]:
        """One line each; empty when the gateway can do its work."""
        return [reason for check in self.checks for reason in check()]
