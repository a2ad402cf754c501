"""CLIs are asked what they list once, one after the other, and once more where that failed."""

import asyncio
import logging

import pytest

from codara.adapters.agents.pool import learner as learning
from codara.adapters.agents.pool.learner import Learner
from tests.fakes.runtime import LearningRuntime


def open_(name: str = "codex", failures: int = 0) -> LearningRuntime:
    runtime = LearningRuntime(name, failures)
    runtime.gate.set()
    return runtime


async def rested(learner: Learner) -> None:
    assert learner._work is not None
    await asyncio.wait({learner._work})


async def test_a_runtime_is_asked_once() -> None:
    learner, runtime = Learner(), open_()
    for _ in range(2):
        learner.want(runtime)
        learner.retry(runtime)
        await rested(learner)
    assert runtime.asked == 1
    await learner.close()


async def test_runtimes_are_asked_one_after_the_other() -> None:
    learner, first, second = Learner(), LearningRuntime("codex"), LearningRuntime("gemini")
    learner.want(first)
    learner.want(second)
    while not first.asked:
        await asyncio.sleep(0)
    assert not second.asked
    first.gate.set()
    second.gate.set()
    await rested(learner)
    assert (first.ended, second.ended) == (1, 1)
    await learner.close()


async def test_a_failure_is_said_once_and_tried_again_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    learner, runtime = Learner(), open_(failures=9)
    learner.want(runtime)
    await rested(learner)
    for _ in range(3):
        learner.want(runtime)
        learner.retry(runtime)
        await rested(learner)
    assert runtime.asked == 2
    assert [record.message for record in caplog.records] == [
        "the models of codex are not known: it lists nothing"
    ]
    await learner.close()


async def test_a_runtime_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(learning, "LEARNING_SECONDS", 0.01)
    learner, silent, other = Learner(), LearningRuntime("codex"), open_("gemini")
    learner.want(silent)
    learner.want(other)
    await rested(learner)
    assert (silent.ended, other.asked) == (1, 1)
    assert "it took too long" in caplog.text
    await learner.close()


async def test_closing_ends_what_is_under_way_and_asks_nobody_any_more() -> None:
    learner, first, second = Learner(), LearningRuntime("codex"), LearningRuntime("gemini")
    learner.want(first)
    learner.want(second)
    while not first.asked:
        await asyncio.sleep(0)
    await learner.close()
    learner.want(open_("claude"))
    assert (first.ended, second.asked) == (1, 0)
    assert learner._work is not None
    assert learner._work.done()


async def test_what_cannot_be_asked_is_left_alone() -> None:
    learner = Learner()
    learner.want(None)
    learner.retry(object())
    await learner.close()
