"""Every CLI: keys stay outside, accounts change under a warm process, nothing leaks in or out."""

import pytest

from tests.cli_scenes import WITNESS, WITNESSED, Scene, both, everywhere, key_of
from tests.processes import command_lines, environments

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]


def homes_hold(scene: Scene, text: str) -> bool:
    """Whether any file that the agents keep, or wrote, holds it."""
    files = (path for path in scene.den.root.rglob("*") if path.is_file() and not path.is_symlink())
    return any(text.encode() in path.read_bytes() for path in files)


@everywhere
async def test_the_key_reaches_the_model_server_and_never_the_jail(scene: Scene) -> None:
    outcome, heard = await scene.run("[[shell:env]] [[text:ok]]")
    assert outcome.status == "completed"
    assert set(scene.keys) == {key_of("acc_1")}
    assert not any(key_of("acc_1").encode() in line for line in heard.lines)
    assert not homes_hold(scene, key_of("acc_1"))


@everywhere
async def test_the_next_turn_may_be_on_another_account(scene: Scene) -> None:
    first, _ = await scene.run("hello", account_id="acc_one")
    assert set(scene.keys) == {key_of("acc_one")}
    started = scene.starts
    scene.server.requests.clear()
    scene.post.bodies.clear()
    told = {"account_id": "acc_two", "backend_id": first.backend_id}
    second, heard = await scene.run("[[history]]", **told)
    assert second.backend_id == first.backend_id
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert set(scene.keys) == {key_of("acc_two")}
    assert scene.starts == started + (not scene.stays)
    other = key_of("acc_one").encode()
    assert not any(other in text for text in (*heard.lines, *scene.post.bodies))
    assert not homes_hold(scene, key_of("acc_one"))


@everywhere
async def test_where_one_account_is_refused_the_thread_goes_on_with_another(scene: Scene) -> None:
    first, _ = await scene.run("hello", account_id="acc_one")
    scene.server.refuse_key(key_of("acc_refused"), "401")
    refused, _ = await scene.run("hm", account_id="acc_refused", backend_id=first.backend_id)
    assert (refused.status, refused.cause) == ("failed", "auth_failed")
    told = {"account_id": "acc_two", "backend_id": first.backend_id}
    outcome, heard = await scene.run("[[history]]", **told)
    assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
    assert heard.text.splitlines()[1] == "1. hello"
    assert scene.keys[-1] == key_of("acc_two")


@both
async def test_processes_show_neither_what_is_said_nor_the_gateways_environment(
    scene: Scene,
) -> None:
    told = {"instructions": "whispered-instructions"}
    prompt = "a whispered-prompt [[shell:env > env.txt]] [[hang:none]]"
    async with scene.waiting(prompt, requests=2, **told):
        lines = dict(command_lines())
        found = [*environments(scene.den.journal.pid_of["wsp_1"])]
    assert str(scene.den.journal.pid_of["wsp_1"]) in lines
    assert not [line for line in lines.values() if b"whispered" in line]
    found.append((scene.den.workspace() / "env.txt").read_bytes())
    assert any(b"HOME=/home/codara" in environment for environment in found)
    for word in (WITNESS, WITNESSED, key_of("acc_1")):
        assert not any(word.encode() in environment for environment in found)
