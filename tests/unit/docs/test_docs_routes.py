"""The reference of the HTTP API names what there is, and nothing that is not."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from codara.errors import CodaraError
from codara.http.app import build
from codara.http.errors import TABLE
from codara.http.services import Services

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text()


def registered() -> set[tuple[str, str]]:
    settings = SimpleNamespace(server=SimpleNamespace(max_body_bytes=1))
    app = build(cast(Services, SimpleNamespace(settings=settings)))
    routes: set[Any] = set()
    for route in app.router.routes():
        if route.method != "HEAD" and route.resource is not None:
            routes.add((route.method, route.resource.canonical.replace(":.+", "")))
    return routes


def test_every_route_is_described_and_every_described_route_exists() -> None:
    described = set(re.findall(r"^\| ([A-Z]+) \| `(/[^`]+)` \|", PAGE, re.MULTILINE))
    assert described == registered()


def test_every_error_code_is_described_with_its_status_and_type() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert {code: (int(status), kind) for code, status, kind in rows} == TABLE


def test_no_error_a_person_may_meet_is_missing() -> None:
    assert all(f"`{kind.code}`" in PAGE for kind in CodaraError.__subclasses__())


def test_no_example_has_curl_cut_a_text_at_its_semicolon() -> None:
    examples = "".join(re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    assert "--form-string 'payload={" in examples
    assert not re.search(r"(-F|--form) '?\w+={", examples)
