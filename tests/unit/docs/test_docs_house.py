"""The finer rules of the house that the import contracts cannot say."""

import ast
from pathlib import Path

import pytest

CODARA = Path(__file__).parents[3] / "codara"

LISTENERS = ("http", "adapters/egress", "demo", "bootstrap")
"""Who may import `aiohttp.web`: the doors, the broker, the scripted model server."""

GROUND = {"errors", "clock", "ids", "config", "version", "offload", "errorcodes"}
PORTS = "codara.application.ports"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(room):
    return sorted(CODARA.joinpath(room).rglob("*.py"))


def test_only_those_that_listen_import_the_web_server():
    found = {
        str(path.relative_to(CODARA))
        for path in modules(".")
        if any(name.startswith("aiohttp.web") for name in imported(path))
    }
    assert {name for name in found if not name.startswith(LISTENERS)} == set()


def test_projections_import_events_and_the_ground_alone():
    for path in modules("projections"):
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("codara.")}
        assert rooms - {"projections", "events"} <= GROUND, path


def test_adapters_know_only_the_ports_of_the_application():
    for path in modules("adapters"):
        known = {name for name in imported(path) if name.startswith("codara.application")}
        assert all(name.startswith(PORTS) for name in known), path


@pytest.mark.parametrize("path", modules("."), ids=lambda path: str(path.relative_to(CODARA)))
def test_a_module_says_what_it_is_and_stays_short(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module opens with one sentence"
    assert len(text.splitlines()) <= 300, "a file this long holds two nouns"


def test_an_init_holds_a_docstring_and_nothing_else():
    for path in CODARA.rglob("__init__.py"):
        assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1, path
