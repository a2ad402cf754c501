"""All read models together: which there are, and what each is asked by."""

from collections.abc import Sequence
from pathlib import Path

from codara.clock import Clock, utc_now
from codara.projections.accounts import AccountQueries, AccountsProjection
from codara.projections.audit import Audit, AuditProjection
from codara.projections.engine.base import Projection, ReadableLog
from codara.projections.engine.keeping import ReadModels
from codara.projections.engine.opening import Opened, open_files
from codara.projections.points import PointQueries, PointsProjection
from codara.projections.sessions import SessionQueries, SessionsProjection
from codara.projections.standings import Standings
from codara.projections.tasks import Tasks, TasksProjection
from codara.projections.threads import Threads, ThreadsProjection
from codara.projections.traces import Traces
from codara.projections.unfinished import UnfinishedProjection, UnfinishedQueries
from codara.projections.usage import UsageProjection, UsageQueries
from codara.projections.users import UserQueries, UsersProjection
from codara.projections.workspaces import WorkspaceQueries, WorkspacesProjection

PROJECTIONS: tuple[Projection, ...] = (
    SessionsProjection(),
    TasksProjection(),
    WorkspacesProjection(),
    AccountsProjection(),
    UsersProjection(),
    AuditProjection(),
    UnfinishedProjection(),
    PointsProjection(),
    ThreadsProjection(),
    UsageProjection(),
)


class Views(ReadModels):
    """The read models of one log, each with its queries."""

    def __init__(self, opened: Opened, clock: Clock) -> None:
        super().__init__(opened)
        log, readers = opened.log, opened.readers
        self.sessions = SessionQueries(readers["sessions"], log, clock)
        self.tasks = Tasks(readers["tasks"], log)
        self.traces = Traces(readers["tasks"], log)
        self.workspaces = WorkspaceQueries(readers["workspaces"], log, clock)
        self.accounts = AccountQueries(readers["accounts"], log, clock)
        self.account_standings = Standings(readers["accounts"], clock, self.position)
        self.users = UserQueries(readers["users"], log, clock)
        self.audit = Audit(readers["audit"])
        self.unfinished = UnfinishedQueries(readers["unfinished"])
        self.points = PointQueries(readers["points"], clock)
        self.threads = Threads(readers["threads"], clock)
        self.usage = UsageQueries(readers["usage"])
        self.memory.models = (self.account_standings,)

    @classmethod
    async def open(
        cls,
        folder: Path,
        log: ReadableLog,
        *,
        clock: Clock = utc_now,
        projections: Sequence[Projection] = PROJECTIONS,
    ) -> "Views":
        """Opens what is there and makes what is missing; nothing is folded before `start`."""
        return cls(await open_files(folder, log, projections), clock)
