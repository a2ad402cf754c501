"""Whatever an agent, its provider or the disk did: a turn ends, and gives back what it held."""

import errno
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codara import errors
from codara.application.ports.agents import LONGEST_ID, AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import (
    BackendSeen,
    QuotaSeen,
    Reports,
    TextDelta,
    ToolStarted,
    UsageSeen,
    Warned,
    WindowSeen,
)
from codara.application.ports.workspaces import Diff, Snapshot, Upload
from codara.application.turns.context import ReservedSlots
from codara.application.turns.finish import Finish
from codara.domain import transcript
from codara.domain.turns.end import TOO_LARGE
from codara.errors import LONGEST_MESSAGE
from codara.events.account import QuotaObserved
from codara.events.session import TurnCompleted, TurnEnd, TurnFailed
from codara.events.workspace import DiffRecorded
from tests.fakes.agents import FakeAgents, Script, says_hello
from tests.fakes.spool import FakeSpool, FakeSpoolFile
from tests.fakes.standings import FakeStandings
from tests.fakes.workspaces import FakeWorkspaces
from tests.turn_setup import House, close_house, command, open_house

NOTES = Upload("notes.md", b"# Notes")
LONG_PATHS = {f"{number:02}/{'d' * 3_500}": "x" for number in range(16)}
ENDS = ("session.turn_completed", "session.turn_failed", "session.turn_cancelled")


@attrs.define
class Troubled(FakeWorkspaces):
    """Raises what `trouble` holds for the thing that is asked of it."""

    trouble: dict[str, Exception] = attrs.field(factory=dict)

    def _meets(self, what: str) -> None:
        if what in self.trouble:
            raise self.trouble[what]

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        self._meets("snapshot")
        return await super().snapshot(workspace_id, folder)

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        self._meets("diff")
        return await super().diff(workspace_id, base, final)

    async def stage(
        self, workspace_id: str, folder: Path, below: str, files: Sequence[Upload]
    ) -> None:
        self._meets("stage")
        await super().stage(workspace_id, folder, below, files)

    async def unstage(self, workspace_id: str, folder: Path, below: str) -> None:
        self._meets("unstage")
        await super().unstage(workspace_id, folder, below)


@attrs.define
class TornSpool(FakeSpool):
    """What a turn wrote cannot be had from it while it runs, or `ever`."""

    ever: bool = False

    def open(self, turn_id: str) -> "TornSpoolFile":
        return TornSpoolFile(self, turn_id)

    async def read(self, turn_id: str) -> bytes:
        if self.ever:
            raise errors.LogDamaged("the vault cannot be read")
        return await super().read(turn_id)


@attrs.frozen
class TornSpoolFile(FakeSpoolFile):
    async def close(self) -> bytes:
        raise errors.LogDamaged("the vault cannot be read")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path, workspaces=Troubled())
    yield opened
    await close_house(opened)


def writes(house: House, files: dict[str, str]) -> Script:
    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.files.update(files)
        return await says_hello(turn, sink)

    return script


def ends(outcome: Outcome, *frames: object) -> Script:
    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        for frame in frames:
            sink.frame(frame)  # type: ignore[arg-type]
        return outcome

    return script


async def nothing_is_held(house: House) -> None:
    """Every turn has ended, every lease and lock is back, and the session takes the next turn."""
    session, leases = await house.trail("session"), await house.trail("lease")
    assert session.count("session.turn_requested") == sum(session.count(end) for end in ENDS)
    assert leases.count("lease.taken") == leases.count("lease.released")
    places = await house.trail("workspace")
    assert places.count("workspace.locked") == places.count("workspace.unlocked")
    house.agents.script = says_hello
    getattr(house.workspaces, "trouble", {}).clear()
    assert (await house.ask("and now?")).text == "hello"


async def test_changed_files_with_long_paths_become_a_payload(house: House) -> None:
    house.agents.script = writes(house, LONG_PATHS)
    result = await house.ask("write", idempotency_key="k")
    assert result.modified_files == sorted(LONG_PATHS)
    recorded = await house.the(DiffRecorded)
    assert (recorded.changed, recorded.files, recorded.truncated) == (16, (), False)
    again = await house.turns.submit(command("write", idempotency_key="k"))
    assert (await again.result()).modified_files == sorted(LONG_PATHS)
    await nothing_is_held(house)


async def test_a_few_files_with_short_paths_stay_in_the_event(house: House) -> None:
    house.agents.script = writes(house, {f"src/{number}.py": "x" for number in range(20)})
    await house.ask()
    recorded = await house.the(DiffRecorded)
    assert (len(recorded.files), recorded.files_payload) == (20, None)


async def test_of_a_providers_error_page_the_beginning_is_kept(house: House) -> None:
    page = "ä" * 30_000
    failed = Outcome(status="failed", cause="cut_stream", message=page)
    house.agents.script = ends(failed)
    with pytest.raises(errors.AgentFailed) as raised:
        await house.ask()
    recorded = await house.the(TurnFailed)
    assert recorded.message == raised.value.message
    assert recorded.message == "The connection to the model broke off in the middle of the answer."
    assert len(recorded.detail.encode()) <= LONGEST_MESSAGE
    assert recorded.detail.endswith("ä…")
    await nothing_is_held(house)


async def test_a_refusal_with_a_long_message_ends_the_turn(house: House) -> None:
    house.workspaces.trouble["stage"] = errors.WorkspaceAccessDenied("\0" * 60_000)
    with pytest.raises(errors.WorkspaceAccessDenied):
        await house.ask(uploads=(NOTES,))
    assert len((await house.the(TurnFailed)).message.encode()) <= LONGEST_MESSAGE
    await nothing_is_held(house)


async def test_texts_of_control_characters_are_kept_whole(house: House) -> None:
    failed = Outcome(status="failed", cause="crashed", message="\x01" * 60_000)
    house.agents.script = ends(failed, TextDelta("\x02" * 4_096))
    with pytest.raises(errors.AgentFailed):
        await house.ask("\x03" * 4_096)
    recorded = await house.the(TurnFailed)
    assert len(recorded.answer) < 1_000
    assert await house.log.open_payload(recorded.answer_payload) == b"\x02" * 4_096
    await nothing_is_held(house)


@pytest.mark.parametrize(("length", "beside"), [(100, False), (200_000, True)])
async def test_a_long_answer_is_hashed_beside_the_event_loop(
    house: House, length: int, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, answered = set[int](), transcript.answered

    def watched(*asked: Any) -> Any:
        threads.add(threading.get_ident())
        return answered(*asked)

    async def talks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(TextDelta("x" * length))
        return await says_hello(turn, sink)

    monkeypatch.setattr(transcript, "answered", watched)
    house.agents.script = talks
    await house.ask()
    assert len(threads) == 1
    assert (threading.get_ident() not in threads) == beside


@pytest.mark.parametrize("seen", [True, False])
async def test_a_thread_whose_id_has_no_bounds_is_not_gone_on_with(
    house: House, seen: bool
) -> None:
    odd = "x" * (LONGEST_ID + 1)
    frames = [BackendSeen(odd)] if seen else []
    house.agents.script = ends(Outcome(status="completed", backend_id=odd), *frames)
    assert (await house.ask()).backend_id is None
    assert "session.backend_bound" not in await house.trail("session")
    await nothing_is_held(house)


async def test_a_provider_with_a_window_for_everything_is_heard_in_part(house: House) -> None:
    windows = tuple(WindowSeen("w" * 500, 1.0, None, None) for _ in range(1_000))
    house.agents.script = ends(Outcome(status="completed"), QuotaSeen("headers", windows))
    await house.ask()
    observed = await house.the(QuotaObserved)
    assert (len(observed.windows), len(observed.windows[0].name)) == (50, 100)


async def test_counts_beyond_every_number_are_counted_as_far_as_one_goes(house: House) -> None:
    used = UsageSeen(10**30, 0, 0, 10**30, 0, Reports())
    house.agents.script = ends(Outcome(status="completed"), used)
    usage = (await house.ask()).usage
    assert (usage.input, usage.output) == (2**53, 2**53)


async def test_an_end_too_large_for_an_event_is_recorded_reduced(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Finish._end

    async def with_everything(self: Finish, *told: object) -> TurnEnd:
        end = await whole(self, *told)  # type: ignore[arg-type]
        return attrs.evolve(end, timings={str(number): 1.0 for number in range(10_000)})

    house.agents.script = writes(house, {"a.txt": "x"})
    with monkeypatch.context() as changed:
        changed.setattr(Finish, "_end", with_everything)
        result = await house.ask("x", idempotency_key="k")
    assert (result.text, result.modified_files) == ("hello", ["a.txt"])
    completed, diff = await house.the(TurnCompleted), await house.the(DiffRecorded)
    assert (completed.answer, completed.end.timings) == ("hello", {})
    assert completed.end.thread.backend_id == "backend-1"
    assert (diff.changed, diff.files, diff.truncated) == (1, (), True)
    assert diff.partial == (TOO_LARGE,)
    again = await house.turns.submit(command("x", idempotency_key="k"))
    assert (await again.result()).text == "hello"
    await nothing_is_held(house)


async def test_a_failure_with_an_endless_cause_is_recorded_reduced(house: House) -> None:
    house.agents.script = ends(Outcome(status="failed", cause="why" * 50_000))
    with pytest.raises(errors.AgentFailed):
        await house.ask()
    assert (await house.the(TurnFailed)).cause == ("why" * 50_000)[:200]
    await nothing_is_held(house)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (FileNotFoundError(errno.ENOENT, "no such folder"), errors.Internal),
        (PermissionError(errno.EACCES, "not allowed"), errors.Internal),
        (OSError(errno.EMFILE, "too many open files"), errors.Internal),
        (ValueError("a defect"), errors.Internal),
        (errors.StorageFull("no room"), errors.StorageFull),
    ],
)
@pytest.mark.parametrize("where", ["stage", "snapshot"])
async def test_what_goes_wrong_before_the_start_refuses_the_turn(
    house: House, where: str, trouble: Exception, error: type[errors.CodaraError]
) -> None:
    await house.ask("make the workspace")
    house.workspaces.trouble[where] = trouble
    with pytest.raises(error) as refused:
        await house.ask(uploads=(NOTES,))
    assert refused.value.retry_safe
    assert (await house.the(TurnFailed)).code == error.code
    assert len(house.agents.turns) == 1
    await nothing_is_held(house)


async def test_uploads_that_cannot_be_taken_away_again_keep_no_turn_open(house: House) -> None:
    house.workspaces.trouble["unstage"] = ValueError("a defect")
    assert (await house.ask(uploads=(NOTES,))).text == "hello"
    await nothing_is_held(house)


def _broken(*_: object, **__: object) -> None:
    raise ValueError("a defect")


PLACES = [
    (FakeAgents, "prepare"),
    (ReservedSlots, "reserve"),
    (FakeSpool, "open"),
    (Finish, "_fact"),
    (Finish, "finish"),
]


@pytest.mark.parametrize(("part", "method"), PLACES)
async def test_a_defect_anywhere_still_ends_the_turn(
    house: House, monkeypatch: pytest.MonkeyPatch, part: type, method: str
) -> None:
    await house.ask("one")
    house.agents.script = writes(house, {"a.txt": "x"})
    with monkeypatch.context() as broken:
        broken.setattr(part, method, _broken)
        with pytest.raises(errors.Internal):
            await house.ask("two")
    assert (await house.the(TurnFailed)).code == "internal"
    await nothing_is_held(house)


async def test_a_defect_before_anything_is_recorded_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(FakeStandings, "of_provider", _broken)
        with pytest.raises(ValueError, match="a defect"):
            await house.ask()
    assert "session.turn_requested" not in await house.trail("session")
    await nothing_is_held(house)


async def test_after_a_defect_the_diff_and_the_frames_are_recorded_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.agents.script = writes(house, {"a.txt": "x"})
    with monkeypatch.context() as broken:
        broken.setattr(Finish, "finish", _broken)
        with pytest.raises(errors.Internal) as raised:
            await house.ask()
    assert not raised.value.retry_safe
    assert [change.path for change in (await house.the(DiffRecorded)).files] == ["a.txt"]
    end = (await house.the(TurnFailed)).end
    assert await house.log.open_payload(end.frames) == b'{"delta":"hel"}'
    assert end.thread.backend_id == "backend-1"
    assert house.spool.kept == {}


@pytest.mark.parametrize("ever", [False, True])
async def test_a_spool_that_cannot_be_read_keeps_no_turn_open(tmp_path: Path, ever: bool) -> None:
    house = await open_house(tmp_path, workspaces=Troubled(), spool=TornSpool(ever=ever))
    house.agents.script = writes(house, {"a.txt": "x"})
    with pytest.raises(errors.Internal):
        await house.ask()
    diff = await house.the(DiffRecorded)
    assert (diff.truncated, diff.partial) == ((True, ("unknown",)) if ever else (False, ()))
    assert (await house.the(TurnFailed)).end.tool_ran
    assert (await house.trail("lease"))[-2:] == ["lease.released", "lease.released"]
    assert (await house.trail("workspace"))[-1] == "workspace.unlocked"
    await close_house(house)


@pytest.mark.parametrize("where", ["snapshot", "diff"])
async def test_a_workspace_nobody_can_look_at_still_has_an_answer(house: House, where: str) -> None:
    async def breaks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.files["a.txt"] = "x"
        house.workspaces.trouble[where] = ValueError("a defect")
        return await says_hello(turn, sink)

    house.agents.script = breaks
    result = await house.ask()
    assert (result.text, result.partial, result.diff_truncated) == ("hello", ("unreadable",), True)
    await nothing_is_held(house)


async def test_an_end_that_loses_every_race_is_appended_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    clashes = [errors.VersionClash("session/1")]
    finish = Finish._append

    async def loses_once(self: Finish, *told: object) -> int:
        if clashes:
            raise clashes.pop()
        return await finish(self, *told)  # type: ignore[arg-type]

    monkeypatch.setattr(Finish, "_append", loses_once)
    assert (await house.ask()).text == "hello"


texts = st.text(max_size=40).flatmap(
    lambda word: st.integers(0, 3_000).map(lambda times: word * times)
)


@given(
    names=st.lists(texts, max_size=30),
    message=texts,
    cause=st.none() | texts,
    backend_id=texts,
    answer=texts,
    label=st.text("ab/é", min_size=1, max_size=120),
    prompt=texts,
    window=texts,
    failed=st.booleans(),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_is_long_the_turn_ends(
    names: list[str],
    message: str,
    cause: str | None,
    backend_id: str,
    answer: str,
    label: str,
    prompt: str,
    window: str,
    failed: bool,
) -> None:
    with TemporaryDirectory() as folder:
        house = await open_house(Path(folder))

        async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
            house.workspaces.files.update(dict.fromkeys(names, "x"))
            sink.frame(BackendSeen(backend_id))
            sink.frame(ToolStarted(message, window, answer))
            sink.frame(Warned(message))
            sink.frame(TextDelta(answer))
            sink.frame(QuotaSeen("headers", (WindowSeen(window, 1.0, None, None),) * 80))
            status = "failed" if failed else "completed"
            return Outcome(status=status, cause=cause, message=message, backend_id=backend_id)

        house.agents.script = script
        try:
            result = await house.ask(prompt, session_label=label, workspace=label)
            assert not failed
            assert result.text == answer
            assert set(result.modified_files) == set(names)
        except errors.CodaraError:
            assert failed
        await nothing_is_held(house)
        await close_house(house)
