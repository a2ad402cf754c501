import os

import pytest

from codara.adapters.jail import marks, processes


def test_our_own_mark_is_not_that_of_a_lost_gateway():
    assert not marks.gateway_is_gone(marks.mark("jail_1"))


def test_a_pid_used_again_does_not_hide_a_lost_gateway():
    began = processes.start_time(os.getpid())
    assert marks.gateway_is_gone(f"codara-{os.getpid()}-{began - 1}-jail_1")


@pytest.mark.parametrize("word", ["", "codara-", "codara-x-1-jail", "sleep", "codara-1-jail"])
def test_other_words_are_no_marks(word):
    assert not marks.gateway_is_gone(word)
