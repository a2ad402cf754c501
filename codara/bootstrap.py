"""Builds every part and hands it to those that need it: the only module that knows them all."""

import asyncio
import hashlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import attrs
from aiohttp import web

from codara import __version__
from codara.adapters import gatewayfile, secrets
from codara.adapters.agents.pool import AgentPool
from codara.adapters.spool import FileSpool
from codara.adapters.vault import FileVault
from codara.adapters.workspaces.folders import Folders
from codara.application.accounts import Accounts
from codara.application.deciding import Deciding
from codara.application.health import Health
from codara.application.jails import Jails
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.recovery import Recovery
from codara.application.sessions import Sessions
from codara.application.turns.means import Limits, Means, Patience
from codara.application.turns.turns import Turns
from codara.application.users import Users
from codara.application.workspaces import WorkspaceDesk
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import Settings
from codara.domain.aggregates import of_stream
from codara.errors import AddressInUse, JailUnavailable, LogLocked
from codara.events import streams
from codara.events.base import Cause
from codara.events.gateway import GatewayStarted, GatewayStopped
from codara.events.log import EventLog
from codara.http import app, server
from codara.http.services import Services
from codara.ids import new_id
from codara.projections.views import Views

logger = logging.getLogger(__name__)
