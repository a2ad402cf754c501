"""Accounts: uploaded, looked at, taken out and let in again; their credentials are never shown."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from codara.application.accounts import NewAccount
from codara.errors import InvalidRequest
from codara.http.answers import done, listing, one
from codara.http.auth import operator_of
from codara.http.body import json_object
from codara.http.decoding import Fields
from codara.http.requests import identity_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()

_LARGEST_CREDENTIAL = 128 * 1_024
_SECONDS_TO_ARRIVE = 60.0
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@routes.post("/management/v1/accounts/upload")
async def upload(request: web.Request) -> web.Response:
    """Registers an account, or stores a new credential of one that is there."""
    operator_id = await operator_of(request)
    fields = await _fields(request)
    services = request.app[SERVICES]
    account_id = fields.maybe_text("account_id") or services.new_id("acc")
    new = NewAccount(
        account_id=account_id,
        provider=fields.text("provider"),
        auth_type=fields.text("auth_type"),
        label=fields.maybe_text("label") or "",
        credential=_credential(fields),
    )
    position = await services.accounts.register(
        new, f"operator:{operator_id}", request_id=identity_of(request).request_id
    )
    return await done(
        request,
        position,
        view=services.views.accounts,
        item_id=account_id,
        also={"account_id": account_id},
        status=201,
    )


@routes.get("/management/v1/accounts")
async def list_accounts(request: web.Request) -> web.Response:
    """All accounts that are registered, newest first."""
    await operator_of(request)
    return await listing(request, request.app[SERVICES].views.accounts, ("provider", "status"))


@routes.get("/management/v1/accounts/{account_id}")
async def show_account(request: web.Request) -> web.Response:
    """One account."""
    await operator_of(request)
    view = request.app[SERVICES].views.accounts
    return await one(request, view, request.match_info["account_id"])


@routes.post("/management/v1/accounts/{account_id}/cooldown")
async def cool_down(request: web.Request) -> web.Response:
    """Takes the account out for `seconds` (default: `accounts.cooldown_seconds`)."""
    operator_id = await operator_of(request)
    services, account_id = request.app[SERVICES], request.match_info["account_id"]
    position = await services.accounts.cooldown(
        account_id,
        seconds=Fields(await json_object(request)).maybe_number("seconds"),
        actor=f"operator:{operator_id}",
        request_id=identity_of(request).request_id,
    )
    return await done(request, position, view=services.views.accounts, item_id=account_id)


@routes.post("/management/v1/accounts/{account_id}/recover")
async def recover(request: web.Request) -> web.Response:
    """Calls the account ready again."""
    operator_id = await operator_of(request)
    services, account_id = request.app[SERVICES], request.match_info["account_id"]
    position = await services.accounts.recover(
        account_id, actor=f"operator:{operator_id}", request_id=identity_of(request).request_id
    )
    return await done(request, position, view=services.views.accounts, item_id=account_id)


@routes.delete("/management/v1/accounts/{account_id}")
async def remove(request: web.Request) -> web.Response:
    """No turn borrows the account again; the vault forgets its credential."""
    operator_id = await operator_of(request)
    services, account_id = request.app[SERVICES], request.match_info["account_id"]
    position = await services.accounts.remove(
        account_id, actor=f"operator:{operator_id}", request_id=identity_of(request).request_id
    )
    return await done(request, position, also={"account_id": account_id, "removed": True})


async def _fields(request: web.Request) -> Fields:
    if request.content_type in _FORMS:
        return Fields(await _form(request))
    return Fields(await json_object(request))


async def _form(request: web.Request) -> Mapping[str, Any]:
    """A form's fields; a file is read as the text it holds."""
    try:
        async with asyncio.timeout(_SECONDS_TO_ARRIVE):
            form = await request.post()
    except TimeoutError as late:
        raise InvalidRequest("The form did not arrive within a minute.") from late
    except ValueError as broken:
        raise InvalidRequest("The form cannot be read.") from broken
    return {name: await _text_of(name, value) for name, value in form.items()}


async def _text_of(name: str, value: str | bytes | bytearray | web.FileField) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, web.FileField):
        raw = await asyncio.to_thread(value.file.read, _LARGEST_CREDENTIAL + 1)
    else:
        raw = bytes(value)
    try:
        return raw.decode()
    except UnicodeDecodeError as broken:
        raise InvalidRequest(f"{name} is no UTF-8 text.", param=name) from broken


def _credential(fields: Fields) -> bytes:
    text = fields.maybe_text("credential_text") or fields.maybe_text("credential_file")
    if text is None or not text.strip():
        raise InvalidRequest("credential_text is missing, or empty.", param="credential_text")
    if len(text) > _LARGEST_CREDENTIAL:
        raise InvalidRequest("The credential is too large to be one.", param="credential_text")
    return text.encode()
