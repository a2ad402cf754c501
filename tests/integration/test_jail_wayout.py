"""A jail needs no way out; one that it was given is given back, whatever becomes of the jail."""

import asyncio
import contextlib
import json
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.jails import Jails
from codara.adapters.jail.network import listen
from codara.adapters.jail.unsafe import Unsafe
from codara.adapters.jail.wayout import NO_WAY_OUT, Listeners, NoWayOut
from codara.errors import JailUnavailable, ShuttingDown
from tests.fakes.journal import Journal
from tests.jail_setup import Place, need_bubblewrap

pytestmark = pytest.mark.cli

REACH = """
    import json, os, socket, sys
    reached = []
    for host, port in [("127.0.0.1", int(sys.argv[1])), ("127.0.0.1", 8377), ("127.0.0.1", 3128),
                       ("192.0.2.1", 80), ("1.1.1.1", 443), ("example.com", 80)]:
        try:
            socket.create_connection((host, port), 2).close()
            reached.append([host, port])
        except OSError:
            pass
    own = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(own.getsockname(), 2).close()
    proxies = [name for name in os.environ if "proxy" in name.lower()]
    interfaces = [name for _, name in socket.if_nameindex()]
    open("written", "w").write("yes")
    print(json.dumps([reached, proxies, interfaces]))
"""


class Watched(NoWayOut):
    """A way out that remembers how it was treated."""

    ports = (8377,)

    def __init__(self) -> None:
        self.treated: list[str] = []
        self._listeners: Listeners = {}

    async def serve(self, listeners: Listeners) -> None:
        self.treated.append("served")
        self._listeners = listeners

    async def close(self) -> None:
        self.treated.append("closed")
        for listener in self._listeners.values():
            listener.close()

    @property
    def over(self) -> bool:
        return self.treated[-1:] == ["closed"]


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture(params=[Bubblewrap, Unsafe])
async def place(
    request: pytest.FixtureRequest, journal: Journal, tmp_path: Path
) -> AsyncIterator[Place]:
    need_bubblewrap()
    jails: Jails = request.param(journal)
    await jails.start_up()
    made = Place(jails, journal, tmp_path)
    await made.make()
    yield made
    await made.close()


walled = pytest.mark.parametrize("place", [Bubblewrap], indirect=True)


@walled
async def test_without_a_way_out_a_jail_works_and_reaches_nothing(
    place: Place, journal: Journal
) -> None:
    with listen(0) as target:
        port = str(target.getsockname()[1])
        spec = place.python(textwrap.dedent(REACH), port)
        jail = await place.jails.start(spec, NO_WAY_OUT)
        said, code = await jail.stdout.read(-1), await jail.wait()
        await jail.close()
    assert code == 0, await jail.last_words()
    reached, proxies, interfaces = json.loads(said)
    assert (reached, proxies, interfaces) == ([], [], ["lo"])
    assert (place.workspace / "written").read_text() == "yes"
    assert journal.told[-1] == ("exited", spec.jail_id, {"exit_code": 0, "egress": {}})


@walled
async def test_another_way_out_is_another_policy(place: Place, journal: Journal) -> None:
    for way_out in (NO_WAY_OUT, Watched(), place.ways.open("jail_1", ("example.com",))):
        jail = await place.jails.start(place.spec("/bin/true"), way_out)
        await jail.close()
    policies = [facts["policy"] for name, _, facts in journal.told if name == "started"]
    assert len(set(policies)) == 3


async def test_a_way_out_serves_as_long_as_its_jail_runs(place: Place) -> None:
    way_out = Watched()
    jail = await place.jails.start(place.spec("/bin/cat"), way_out)
    assert way_out.treated == ["served"]
    await jail.close(grace=10)
    assert way_out.treated == ["served", "closed"]


async def test_where_no_jail_can_be_made_the_way_out_is_closed(place: Place) -> None:
    way_out = Watched()
    spec = place.spec("/bin/true", workspace=place.workspace / "nowhere")
    with pytest.raises(JailUnavailable):
        await place.jails.start(spec, way_out)
    assert way_out.treated == ["closed"]


async def test_where_none_is_made_any_more_the_way_out_is_closed(place: Place) -> None:
    await place.jails.close()
    way_out = Watched()
    with pytest.raises(ShuttingDown):
        await place.jails.start(place.spec("/bin/true"), way_out)
    assert way_out.treated == ["closed"]


@pytest.mark.parametrize("delay", [at * 0.004 for at in range(9)])
async def test_a_start_that_is_cancelled_closes_the_way_out(delay: float, place: Place) -> None:
    way_out = Watched()
    starting = asyncio.create_task(place.jails.start(place.spec("/bin/sleep", "600"), way_out))
    await asyncio.sleep(delay)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await starting).close(grace=0)
    assert way_out.over


async def test_a_start_that_the_log_holds_up_closes_the_way_out(
    place: Place, journal: Journal
) -> None:
    journal.may_start.clear()
    way_out = Watched()
    starting = asyncio.create_task(place.jails.start(place.spec("/bin/sleep", "600"), way_out))
    await asyncio.wait_for(journal.asked.wait(), 20)
    assert way_out.treated == ["served"]
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert way_out.over
