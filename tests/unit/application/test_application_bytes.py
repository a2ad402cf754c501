"""A diff that is not UTF-8: what its turn answers, what the log keeps, and what a retry gets."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import TEXT_REPLACED, TextDelta, Warned
from codara.application.ports.workspaces import Diff
from codara.application.turns.recorded import RecordedHandle
from codara.events.readable import NOT_UTF8, patch_of
from codara.events.session import TurnCompleted
from codara.events.workspace import DiffRecorded, FileChange
from tests.fakes.agents import says_hello
from tests.fakes.workspaces import FakeWorkspaces
from tests.turn_setup import House, close_house, command, open_house

PATCH = (
    b"diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+caf\xe9\n"
)
LONG = PATCH.replace(b"+1 @@", b"+1,3001 @@") + b"+\xe9\n" * 3000


@attrs.define
class Latin(FakeWorkspaces):
    """What is new in them is `patch`, which is not UTF-8."""

    patch: bytes = PATCH

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        changes = (FileChange(path="n", status="added", added=1, encoding="other"),)
        return Diff(files=changes, patch=patch_of(self.patch), raw=self.patch, truncated=False)


@pytest.fixture(params=[PATCH, LONG], ids=["short", "long"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    opened = await open_house(tmp_path, workspaces=Latin(patch=request.param))

    async def writes(turn: AgentTurn, sink: FrameSink) -> Outcome:
        opened.workspaces.files["n"] = "x"
        return await says_hello(turn, sink)

    opened.agents.script = writes
    yield opened
    await close_house(opened)


async def test_the_text_says_that_it_is_not_the_bytes_which_stand_beside_it(house: House) -> None:
    patch = house.workspaces.patch
    result = await house.ask()
    assert result.diff_bytes == patch
    assert NOT_UTF8 in result.diff
    (action,) = result.actions
    assert action["exact"] is False
    assert base64.b64decode(action["patch_b64"]) == patch


async def test_the_log_keeps_the_bytes_and_a_retry_gets_the_same_answer(house: House) -> None:
    first = await house.ask(idempotency_key="k")
    recorded = await house.the(DiffRecorded)
    assert await house.log.open_payload(recorded.patch_bytes) == house.workspaces.patch
    again = await house.turns.submit(command(idempotency_key="k"))
    assert isinstance(again, RecordedHandle)
    async with again:
        assert await again.result() == first
    assert (await house.the(TurnCompleted)).end.changed


async def test_an_answer_with_replaced_text_says_so_also_to_a_retry(house: House) -> None:
    async def answers(_: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(TextDelta("caf\ufffd"))
        sink.frame(Warned(TEXT_REPLACED))
        return Outcome(status="completed")

    house.agents.script = answers
    first = await house.ask(idempotency_key="k")
    assert first.text_replaced
    again = await house.turns.submit(command(idempotency_key="k"))
    assert (await again.result()).text_replaced
    house.agents.script = says_hello
    assert not (await house.ask("next")).text_replaced
