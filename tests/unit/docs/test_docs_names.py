"""One name, one class: a public class has its name for itself."""

import ast
from collections import Counter
from pathlib import Path

CODARA = Path(__file__).parents[3] / "codara"


def public_classes() -> Counter[str]:
    return Counter(
        node.name
        for path in CODARA.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


def test_no_two_public_classes_share_a_name() -> None:
    shared = {name: count for name, count in public_classes().items() if count > 1}
    assert shared == {}, "choose a name that no other class has"
