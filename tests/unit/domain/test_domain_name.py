import pytest

from codara.domain import name
from codara.errors import Conflict
from codara.events.name import NameClaimed, NameFreed


def claimed(owner="usr_1"):
    return name.evolve(name.EMPTY, NameClaimed(kind="email", owner=owner))


def claim(state, owner):
    return name.claim(state, kind="email", owner=owner, taken="It is taken.")


def test_a_free_name_can_be_claimed():
    assert claim(name.EMPTY, "usr_1") == [NameClaimed(kind="email", owner="usr_1")]


def test_a_name_has_one_owner():
    with pytest.raises(Conflict, match="It is taken"):
        claim(claimed(), "usr_2")


def test_claiming_ones_own_name_again_says_nothing():
    assert claim(claimed(), "usr_1") == []


def test_a_freed_name_can_be_claimed_by_another():
    freed = name.evolve(claimed(), NameFreed(owner="usr_1"))
    assert claim(freed, "usr_2") == [NameClaimed(kind="email", owner="usr_2")]


def test_only_the_owner_frees_a_name():
    assert name.free(claimed(), owner="usr_2") == []
    assert name.evolve(claimed(), NameFreed(owner="usr_2")) == claimed()
    assert name.free(claimed(), owner="usr_1") == [NameFreed(owner="usr_1")]
