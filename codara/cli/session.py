"""`codara session`: conversations."""

from codara.cli.arguments import Commands, group
from codara.cli.listing import ListCommands
from codara.cli.terminal import Column

_LISTING = ListCommands(
    kind="sessions",
    one="session",
    columns=(
        Column("session_id", "ID"),
        Column("status", "STATUS"),
        Column("provider", "PROVIDER"),
        Column("client_session_id", "CLIENT'S ID"),
        Column("workspace", "WORKSPACE"),
        Column("user_id", "USER"),
        Column("updated_at", "UPDATED"),
    ),
    filters={"user": "user_id", "status": "status", "provider": "provider"},
    all_of="sessions without a name and of a single turn as well",
)


def add(commands: Commands) -> None:
    _LISTING.add(group(commands, "session", "sessions of all users"))
