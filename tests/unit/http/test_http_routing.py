"""Every route is one value: it has a guard, and shapes for what it takes and answers."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from http_with_fakes import services

from codara.application.callers import Caller
from codara.errors import InvalidRequest
from codara.http import app as application
from codara.http.app import ROUTES, build
from codara.http.planes import ANYBODY, CALLER, OPERATOR, USER, Operator
from codara.http.requests import Identity
from codara.http.routing import Route
from codara.http.shapes import ListQuery, Nothing, from_body, from_query

HTTP = Path(application.__file__).parent
OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/management/v1/auth/token"),
    ("POST", "/management/v1/auth/refresh"),
}
PLANES = {"/management/v1/": (OPERATOR,), "/v1/user/": (USER, CALLER), "/v1/": (CALLER,)}
IDENTITY = Identity(request_id="req_1", trace_id="a" * 32, span_id="b" * 16, flags="01")


def test_every_route_of_the_router_is_one_of_ours_and_has_a_guard():
    handlers = {route.respond for route in ROUTES}
    for served in build(services()).router.routes():
        assert served.handler in handlers, f"{served.method} {served.resource} has no guard"
    assert all(route.guard in (ANYBODY, CALLER, USER, OPERATOR) for route in ROUTES)


def test_only_a_few_routes_are_open_to_anybody():
    assert {(route.method, route.path) for route in ROUTES if route.guard is ANYBODY} == OPEN


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_has_the_guard_of_its_plane(route):
    if (route.method, route.path) in OPEN:
        return
    plane = next(guards for prefix, guards in PLANES.items() if route.path.startswith(prefix))
    assert route.guard in plane


def test_no_two_routes_share_method_and_path():
    named = [(route.method, route.path) for route in ROUTES]
    assert len(named) == len(set(named))


def test_queries_and_bodies_are_frozen_classes_that_say_what_they_are():
    for route in ROUTES:
        if isinstance(route, Route):
            for shape in (route.query, route.body):
                assert attrs.has(shape)
                assert shape.__doc__
            assert route.handler.__doc__


@pytest.mark.parametrize("path", sorted((HTTP / "management").glob("*.py")), ids=lambda p: p.stem)
def test_no_handler_of_the_management_plane_builds_json_or_responses(path):
    names = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not names & {"web", "orjson", "json", "aiohttp"}


# ------------------------------------------------------------------ shapes


@attrs.frozen(kw_only=True)
class Wanted(ListQuery):
    """Asks for something."""

    status: str | None = None
    since: datetime | None = None
    all: bool = attrs.field(default=False, metadata={"filter": "every"})


def test_a_query_is_filled_from_texts():
    query = from_query(
        Wanted, {"limit": "7", "status": "ok", "since": "2030-01-31T12:00:00Z", "all": "true"}
    )
    since = datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert (query.limit, query.min_position, query.cursor) == (7, 0, None)
    assert query.filters() == {"status": "ok", "since": since, "every": True}
    assert from_query(Wanted, {"status": ""}).filters() == {"every": False}


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "201"), ("limit", "x"), ("since", "soon"), ("all", "maybe")],
)
def test_a_query_that_has_no_such_value_is_refused_by_name(name, value):
    with pytest.raises(InvalidRequest) as refused:
        from_query(Wanted, {name: value})
    assert refused.value.param == name


@attrs.frozen(kw_only=True)
class Body:
    """Says something."""

    name: str
    label: str | None = None
    seconds: float | None = None
    most: int | None = None
    until: datetime | None = None
    rotate: bool = False


def test_a_body_is_filled_from_json():
    body = from_body(Body, {"name": "a", "seconds": 3, "rotate": True})
    assert body == Body(name="a", seconds=3.0, rotate=True)


def test_a_field_that_the_body_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(InvalidRequest) as refused:
        from_body(Body, {"name": "a", "unknown": [1]})
    assert refused.value.param == "unknown"
    assert "there are label, most, name, rotate, seconds, until" in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 3),
        ("name", " "),
        ("label", ["a"]),
        ("seconds", "3"),
        ("most", 1.5),
        ("most", True),
        ("until", "soon"),
        ("rotate", "yes"),
    ],
)
def test_a_body_with_a_value_of_another_type_is_refused_by_name(name, value):
    with pytest.raises(InvalidRequest) as refused:
        from_body(Body, {"name": "a", name: value})
    assert refused.value.param == name


def test_what_is_missing_is_refused_by_name():
    with pytest.raises(InvalidRequest, match="name is missing"):
        from_body(Body, {})


# ------------------------------------------------------------------ causes


@pytest.mark.parametrize(
    ("caller", "actor"),
    [
        (Operator("op_1"), "operator:op_1"),
        (Operator("op_local", actor="cli"), "cli"),
        (Caller(user_id="usr_1", key_id="key_1", max_concurrency=3), "user:usr_1"),
    ],
)
def test_what_comes_of_a_request_bears_its_trace_and_its_id(caller, actor):
    route = next(route for route in ROUTES if route.path == "/management/v1/health")
    asked = route.asked(services(), caller, IDENTITY, path={}, query={}, body={})
    cause = asked.cause
    assert (cause.actor, cause.correlation_id, cause.causation_id) == (actor, "a" * 32, "req_1")
    assert asked.body == Nothing()
