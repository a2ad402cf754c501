"""`codara task`: turns, as users call them."""

import argparse

from codara.cli.arguments import Commands, command, group, takes_id
from codara.cli.listing import ListCommands
from codara.cli.loading import loaded
from codara.cli.reach import reach
from codara.cli.terminal import Column

_LISTING = ListCommands(
    kind="tasks",
    one="task",
    columns=(
        Column("task_id", "ID"),
        Column("status", "STATUS"),
        Column("cause", "CAUSE"),
        Column("provider", "PROVIDER"),
        Column("model", "MODEL"),
        Column("session_id", "SESSION"),
        Column("created_at", "CREATED"),
    ),
    filters={
        "user": "user_id",
        "session": "session_id",
        "status": "status",
        "provider": "provider",
    },
)


def add(commands: Commands) -> None:
    own = group(commands, "task", "tasks of all users")
    takes_id(command(own, "cancel", "end a running task", run_cancel), "task")
    _LISTING.add(own)


async def run_cancel(arguments: argparse.Namespace) -> int:
    from codara.client.client import item

    async with reach(loaded(arguments)) as client:
        await client.ask("POST", item("tasks", arguments.id, "cancel"))
    print(f"{arguments.id} is being cancelled")
    return 0
