"""Idioms that a reader has to read twice do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CODARA = Path(__file__).parents[3] / "codara"

IDIOMS = re.compile(r"\b(?:[Aa]new|[Ss]o many|[Ii]s none|[Aa]re none|[Ww]hoever)\b")
"""Say instead: again; up to N; is not, is missing; who, everybody who."""


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield " ".join(text.split())


def test_no_docstring_has_one_of_the_idioms() -> None:
    every = [(path, text) for path in CODARA.rglob("*.py") for text in docstrings(path)]
    assert every
    assert [(path.name, text) for path, text in every if IDIOMS.search(text)] == []
