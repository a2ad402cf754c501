"""Open files: the limit is raised, shared out, and refused by its number where it is too small."""

import resource

import attrs
import pytest

from codara.bootstrap import descriptors
from codara.bootstrap.doctor import machine
from codara.bootstrap.doctor.findings import FAIL, OK, WARN
from codara.bootstrap.parts import agent_bounds
from codara.config.settings import Settings
from codara.errors import ConfigInvalid


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path)


@pytest.fixture
def limits(monkeypatch):
    """The limits of this process, as far as the module knows."""
    known = {"soft": 1024, "hard": 4096}

    def get(_):
        return known["soft"], known["hard"]

    def put(_, pair):
        known["soft"], known["hard"] = pair

    monkeypatch.setattr(resource, "getrlimit", get)
    monkeypatch.setattr(resource, "setrlimit", put)
    return known


def test_the_soft_limit_becomes_the_hard_one(settings, limits):
    assert descriptors.raise_limit(settings).limit == 4096
    assert limits == {"soft": 4096, "hard": 4096}


def test_a_limit_that_is_too_small_is_refused_with_both_numbers(settings, limits):
    limits.update(soft=128, hard=128)
    with pytest.raises(ConfigInvalid, match=r"is 128, and at least 1024 are needed"):
        descriptors.raise_limit(settings)


def test_the_more_turns_may_run_the_more_descriptors_are_needed(settings, limits):
    many = attrs.evolve(
        settings, orchestrator=attrs.evolve(settings.orchestrator, max_concurrency=200)
    )
    with pytest.raises(ConfigInvalid, match="is 4096, and at least 5248 are needed"):
        descriptors.raise_limit(many)


def test_the_doors_take_as_many_connections_as_are_set_if_there_is_room(settings, limits):
    descriptors.raise_limit(settings)
    bounds = descriptors.door_bounds(settings)
    assert (bounds.total, bounds.per_address) == (2048, 512)


def test_the_doors_take_less_where_the_limit_is_small(settings, limits):
    limits.update(soft=1024, hard=1024)
    descriptors.raise_limit(settings)
    bounds = descriptors.door_bounds(settings)
    assert bounds.total + bounds.reserve + descriptors.BURST < 1024
    assert 64 <= bounds.per_address <= bounds.total < 512


def test_they_run_short_when_hardly_any_is_left(limits):
    limits.update(soft=1 << 20)
    assert not descriptors.run_short()
    limits.update(soft=40)
    assert descriptors.run_short()


def test_idle_agents_are_given_up_by_the_same_measure(settings, limits):
    limits.update(soft=40)
    assert agent_bounds(settings).crowded()


@pytest.mark.parametrize(
    ("hard", "status", "said"),
    [
        (20_000, OK, "20000, enough for 2048 connections"),
        (1024, WARN, "1024, enough for 400 of 2048 connections"),
        (128, FAIL, "128, and 1024 are needed"),
    ],
)
def test_the_doctor_tells_what_the_limit_comes_to(settings, limits, hard, status, said):
    limits.update(hard=hard)
    found = machine.open_files(settings)
    assert (found.status, found.detail) == (status, said)
    assert (found.remedy == "") == (status == OK)
