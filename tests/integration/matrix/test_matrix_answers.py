"""Every CLI in a real jail answers, works in its workspace, and goes on where it was."""

import asyncio
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from codara.application.ports.agents import Image
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from codara.errors import StorageFull
from tests.cli_scenes import (
    Scene,
    both,
    everywhere,
    hearing,
    hinting,
    key_of,
    quickly,
    rethinking,
    sharing,
)

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]


def a_png(side: int = 16) -> bytes:
    """A picture of noise, so that nobody can make it smaller."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(
        b"\0" + bytes((at * 37 + n * 11) % 256 for n in range(side * 3)) for at in range(side)
    )
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@everywhere
async def test_the_answer_comes_in_deltas_once(scene: Scene) -> None:
    outcome, heard = await scene.run("hello")
    assert (outcome.status, outcome.jailed) == ("completed", True)
    assert len(heard.of(TextDelta)) > (3 if scene.in_pieces else 0)
    assert heard.text.startswith("Hello! I am the scripted model")
    assert heard.text.count("Hello!") == 1


@both
async def test_the_agent_changes_the_workspace(scene: Scene) -> None:
    prompt = (
        "[[write:sub/a.txt=one]] [[edit:sub/a.txt=one=>two]] [[append:sub/a.txt=!]] [[text:Done]]"
    )
    outcome, heard = await scene.run(prompt)
    assert (outcome.status, heard.text) == ("completed", "Done")
    written = (scene.den.workspace() / "sub" / "a.txt").read_text()
    assert written.replace("\n", "") == "two!"
    assert tuple(tool.kind for tool in heard.of(ToolStarted)) == scene.cli.tools
    assert [tool.ok for tool in heard.of(ToolFinished)] == [True, True, True]


@hinting
async def test_changed_files_and_thoughts_are_told(scene: Scene) -> None:
    _, heard = await scene.run("[[think:hm]] [[write:a.txt=one]] [[text:Done]]")
    folder = scene.den.workspace()
    hinted = {folder / path for hint in heard.of(FileHint) for path in hint.paths}
    assert hinted == {folder / "a.txt"}
    assert "".join(seen.text for seen in heard.of(ReasoningDelta)) == "hm"


@quickly
async def test_a_thread_goes_on_in_the_next_turn(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    started = scene.starts
    second, heard = await scene.run("[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.of(BackendSeen) == [BackendSeen(str(first.backend_id))]
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert scene.starts == started + (not scene.stays)


@everywhere
async def test_the_agent_hears_nothing_of_a_turn_that_is_not_permitted(scene: Scene) -> None:
    async def refused() -> None:
        assert not scene.server.requests
        raise StorageFull("no room")

    first, _ = await scene.run("hello")
    scene.server.requests.clear()
    with pytest.raises(StorageFull):
        await scene.run("no", backend_id=first.backend_id, permitted=refused)
    started = scene.starts
    _, heard = await scene.run("[[history]]", backend_id=first.backend_id)
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert scene.starts == started + (not scene.stays)


@everywhere
async def test_a_thread_goes_on_in_another_process(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    started = scene.starts
    await scene.den.close_home("wsp_1")
    second, heard = await scene.run("[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert (heard.warnings, scene.starts) == ([], started + 1)


@sharing
async def test_threads_of_a_workspace_share_a_process(scene: Scene) -> None:
    await scene.run("one")
    started = scene.starts
    await scene.run("two")
    assert scene.starts == started


@everywhere
async def test_two_threads_of_a_workspace_share_no_words(scene: Scene) -> None:
    one, _ = await scene.run("one")
    two, _ = await scene.run("two")
    assert one.backend_id != two.backend_id
    again, heard = await scene.run("[[history]]", backend_id=one.backend_id)
    assert again.backend_id == one.backend_id
    assert heard.text == "user messages: 2\n1. one\n2. [[history]]"


@everywhere
async def test_an_unknown_thread_is_replaced_by_a_fresh_one(scene: Scene) -> None:
    lost = scene.cli.nobody
    outcome, heard = await scene.run("no", backend_id=lost, fresh_prompt="all of it [[history]]")
    assert outcome.status == "completed"
    assert outcome.backend_id not in (None, lost)
    assert heard.warnings == ["fresh_thread"]
    assert heard.text == "user messages: 1\n1. all of it [[history]]"


@everywhere
async def test_instructions_reach_the_model_as_such(scene: Scene) -> None:
    await scene.run("hello", instructions="Speak like a pirate")
    assert told(scene) == ["pirate"]
    assert "Speak" not in "".join(scene.server.requests[-1].conversation.prompts)


@hearing
async def test_instructions_are_heard_also_when_they_change(scene: Scene) -> None:
    first, _ = await scene.run("hello", instructions="Speak like a pirate")
    again = {"instructions": "Speak like a judge", "backend_id": first.backend_id}
    second, _ = await scene.run("hello", **again)
    assert second.backend_id == first.backend_id
    assert told(scene)[-1] == "judge"


@rethinking
@pytest.mark.parametrize(
    ("second", "thought"),
    [("let me think, hard", "let me think, hard"), ("I look", "let me think\n\nI look")],
)
async def test_a_thought_that_is_asked_for_again_is_heard_once(
    scene: Scene, second: str, thought: str
) -> None:
    prompt = f"[[think:let me think]] [[fail:thinking*1]] [[think:{second}]] [[text:hello]]"
    outcome, heard = await scene.run(prompt)
    assert (outcome.status, heard.text) == ("completed", "hello")
    assert "".join(frame.text for frame in heard.of(ReasoningDelta)) == thought
    assert len(scene.server.requests) == 2


@everywhere
@pytest.mark.parametrize("prompt", ["/help [[text:fine]]", "-- [[text:fine]]", "$ [[text:fine]]"])
async def test_a_prompt_is_never_a_command(scene: Scene, prompt: str) -> None:
    outcome, heard = await scene.run(prompt)
    assert (outcome.status, heard.text) == ("completed", "fine")
    assert prompt in scene.server.requests[0].conversation.prompts[-1]


@everywhere
async def test_the_model_gets_exactly_the_pictures_that_were_given(scene: Scene) -> None:
    given = [Image("image/png", a_png(side)) for side in (16, 24)]
    outcome, heard = await scene.run("[[text:seen]]", images=tuple(given))
    assert (outcome.status, heard.text) == ("completed", "seen")
    assert scene.post.pictures() == [image.data for image in given]
    assert list(scene.den.workspace().iterdir()) == []
    assert left_in_homes(scene, given) == []


@everywhere
async def test_a_fresh_thread_is_shown_the_pictures_of_the_whole_conversation(
    scene: Scene,
) -> None:
    one, two = (Image("image/png", a_png(side)) for side in (16, 24))
    told = {"fresh_prompt": "all of it [[text:seen]]", "fresh_images": (one, two)}
    lost = scene.cli.nobody
    outcome, heard = await scene.run("no", images=(two,), backend_id=lost, **told)
    assert (outcome.status, heard.text, heard.warnings) == ("completed", "seen", ["fresh_thread"])
    assert scene.post.pictures() == [one.data, two.data]


@everywhere
async def test_two_workspaces_work_at_once_with_their_own_keys_and_share_nothing(
    scene: Scene,
) -> None:
    work = "[[write:mine.txt]] [[shell:ls -a ~ /]] [[sleep:1]] [[history]]"
    turns = (
        scene.run(f"turn of acc_{at} {work}", workspace_id=f"wsp_{at}", account_id=f"acc_{at}")
        for at in (1, 2)
    )
    results = await asyncio.gather(*turns)
    assert [outcome.status for outcome, _ in results] == ["completed", "completed"]
    assert len({outcome.backend_id for outcome, _ in results}) == 2
    for other, (_, heard) in zip((2, 1), results, strict=True):
        assert heard.text.startswith("user messages: 1\n")
        assert not any(f"wsp_{other}".encode() in line for line in heard.lines)
    for seen, key in zip(scene.server.requests, scene.keys, strict=True):
        (account,) = re.findall(r"turn of (acc_\d)", seen.conversation.prompts[-1])
        assert key == key_of(account)
    assert sorted(scene.keys) == [key_of(f"acc_{at}") for at in (1, 1, 1, 2, 2, 2)]


@everywhere
async def test_a_read_only_workspace_stays_as_it_is(scene: Scene) -> None:
    given = {"workspace_id": "wsp_2", "read_only": True}
    outcome, _ = await scene.run("[[write:a.txt]] [[shell:touch b.txt]] [[text:tried]]", **given)
    assert outcome.status == "completed"
    assert list(scene.den.workspace("wsp_2").iterdir()) == []


def told(scene: Scene) -> list[str]:
    """How the last request was instructed to speak, in the order in which it was told."""
    instructions = "\n".join(scene.server.requests[-1].conversation.instructions)
    return re.findall(r"Speak like a (pirate|judge)", instructions)


def left_in_homes(scene: Scene, images: Sequence[Image]) -> list[Path]:
    """The files in homes that are one of these pictures."""
    sizes = {len(image.data) for image in images}
    files = [path for path in (scene.den.root / "homes").rglob("*") if path.is_file()]
    alike = [path for path in files if path.stat().st_size in sizes]
    return [path for path in alike if path.read_bytes() in [image.data for image in images]]
