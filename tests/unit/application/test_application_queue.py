"""The queue: one turn a workspace, so many in all."""

import asyncio

from codara.application.turns.queue import Queue


async def test_there_is_room_only_where_nobody_has_to_wait() -> None:
    queue = Queue(2)
    until = asyncio.get_running_loop().time() + 60
    assert queue.has_room("wsp_1")
    await queue.enter("wsp_1", until)
    assert not queue.has_room("wsp_1")
    assert queue.has_room("wsp_2")
    await queue.enter("wsp_2", until)
    assert not queue.has_room("wsp_3")
    waiting = asyncio.create_task(queue.enter("wsp_1", until))
    await asyncio.sleep(0)
    queue.leave("wsp_1")
    assert not queue.has_room("wsp_1")
    await asyncio.wait_for(waiting, 5)
    for workspace_id in ("wsp_1", "wsp_2"):
        queue.leave(workspace_id)
    assert queue.has_room("wsp_1")
