"""The followers: everything that follows the log while the house is open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from codara.application.health import Followers
from codara.bootstrap.closing import closing
from codara.config.settings import Settings
from codara.events.store.log import EventLog
from codara.projections.views import Views


@attrs.frozen(kw_only=True)
class OpenFollowers:
    """The read models, and the list of everything that follows the log."""

    views: Views
    told: Followers


@asynccontextmanager
async def open_followers(settings: Settings, log: EventLog) -> AsyncIterator[OpenFollowers]:
    """Opens the read models, lets them catch up with the log, and has them follow it."""
    async with closing(await Views.open(settings.server.data_dir / "views", log)) as views:
        await views.start()
        yield OpenFollowers(views=views, told=Followers([views.standings]))
