"""Users are not told where the host keeps anything; operators are."""

import pytest
from http_with_turns import housed
from management_setup import plane

from codara.application.ports.frames import FileHint, ToolStarted
from codara.events import streams
from codara.http.app import ROUTES
from codara.http.planes import USER
from tests.event_examples import (
    diff_recorded,
    session_opened,
    turn_completed,
    turn_requested,
    turn_started,
    workspace_provisioned,
)

FOLDER = "/srv/codara/workspaces/usr_1/notes"
READ = [route.path for route in ROUTES if route.guard is USER and route.method == "GET"]


@pytest.fixture
async def op(tmp_path):
    async with plane(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ann(op):
    """Ann, who has worked in a folder of the host."""
    made = await op.user("ann@example.org")
    user_id = made["user_id"]
    await op.happened(
        streams.workspace("wsp_1"),
        [
            workspace_provisioned(user_id=user_id, folder=FOLDER, label="notes"),
            diff_recorded(user_id=user_id),
        ],
    )
    turn = [turn_requested, turn_started, turn_completed]
    session = [session_opened(user_id=user_id), *(event(user_id=user_id) for event in turn)]
    await op.happened(streams.session("ses_1"), session)
    return made["api_key"]["raw_key"]


@pytest.mark.parametrize("path", READ)
async def test_no_answer_to_a_user_names_a_folder_of_the_host(op, ann, path):
    asked = path.format(session_id="ses_1", task_id="trn_1", workspace_id="wsp_1")
    answer = await op.ask("GET", asked, token=ann)
    assert answer.status == 200
    assert FOLDER not in str(answer.body)
    assert str(op.folder) not in str(answer.body)


async def test_a_users_workspace_has_a_label_and_an_id_and_no_path(op, ann):
    [own] = (await op.ask("GET", "/v1/user/workspaces", token=ann)).data
    assert (own["workspace_id"], own["label"], own["turns"]) == ("wsp_1", "notes", 1)
    assert "path" not in own


async def test_operators_keep_the_path(op, ann):
    [listed] = (await op.ask("GET", "/management/v1/workspaces")).data
    shown = (await op.ask("GET", "/management/v1/workspaces/wsp_1")).data
    assert listed["path"] == shown["path"] == FOLDER


async def test_a_stream_tells_files_and_tools_from_the_workspace_on(tmp_path):
    folders = []

    async def work(turn, sink):
        folders.append(str(turn.folder))
        title = f"cat {turn.folder}/src/a.txt"
        sink.frame(ToolStarted(tool_id="t", kind="command", title=title))
        sink.frame(FileHint((f"{turn.folder}/src/a.txt",)))
        return await opened.agent(turn, sink)

    async with housed(tmp_path) as opened:
        opened.house.agents.script = work
        streamed = await opened.stream("hello", codara_events=True)
        answered = await opened.chat("hello")
    assert streamed.status == answered.status == 200
    told = "\n".join(streamed.body)
    assert '"title":"cat src/a.txt"' in told
    assert '"paths":["src/a.txt"]' in told
    assert all(folder not in told + str(answered.body) for folder in folders)
