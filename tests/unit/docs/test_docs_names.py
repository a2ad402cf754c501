"""One name, one class: a public class has its name for itself."""

import ast
from collections import Counter
from pathlib import Path

CODARA = Path(__file__).parents[3] / "codara"

SHARED = {
    "Accounts": 3,
    "Activity": 2,
    "Answer": 4,
    "Asked": 3,
    "Check": 2,
    "Conversation": 2,
    "Ended": 3,
    "EndedThreads": 2,
    "Fields": 2,
    "Form": 3,
    "Health": 2,
    "House": 2,
    "IdleThread": 2,
    "Jails": 2,
    "Known": 3,
    "LeftJail": 2,
    "Limits": 2,
    "Listing": 3,
    "Logins": 2,
    "Model": 2,
    "OpenTurn": 3,
    "Operator": 2,
    "Page": 2,
    "Place": 3,
    "Places": 2,
    "Points": 2,
    "Process": 2,
    "Reading": 4,
    "Refused": 3,
    "Request": 5,
    "RunTurn": 2,
    "Running": 2,
    "Server": 2,
    "Session": 2,
    "Sessions": 3,
    "Slots": 2,
    "Starting": 2,
    "Stopped": 2,
    "Tail": 2,
    "Text": 2,
    "Told": 3,
    "Trouble": 2,
    "TurnHandle": 2,
    "Turns": 2,
    "Unfinished": 2,
    "UsedHome": 2,
    "UserSuspended": 2,
    "Users": 3,
    "Views": 2,
    "Wire": 3,
    "Workspace": 2,
    "Workspaces": 2,
}
"""Names that several classes have today, and how many. The list may only shrink."""


def public_classes() -> Counter[str]:
    return Counter(
        node.name
        for path in CODARA.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


def test_no_two_public_classes_share_a_name() -> None:
    shared = {name: count for name, count in public_classes().items() if count > 1}
    more = {name: count for name, count in shared.items() if count > SHARED.get(name, 1)}
    assert more == {}, "choose a name that no other class has"


def test_the_list_of_shared_names_shrinks_with_them() -> None:
    known = public_classes()
    fewer = {name: known[name] for name, count in SHARED.items() if known[name] < count}
    assert fewer == {}, "write the new number into the list, or take the name off it"
