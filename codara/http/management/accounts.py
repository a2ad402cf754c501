"""Accounts: uploaded, looked at, taken out and let in again; their credentials are never shown."""

import attrs

from codara.application.accounts import NewAccount
from codara.domain.credential import LARGEST
from codara.errors import InvalidRequest
from codara.events.vocabulary import AccountStatus
from codara.http.answers import done, listing, one
from codara.http.envelope import Answer
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import ItemQuery, ListQuery, Nothing
from codara.projections.account_rows import AccountRow
from codara.runtimes import PROVIDERS

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class AccountUpload:
    """An account to register; with the id of one that is there, its new credential.

    Without `account_id` it gets one that is made for it.

    The credential is the text of `credential_text`, or of a form's file `credential_file`.
    """

    account_id: str | None = None
    provider: str
    auth_type: str
    label: str | None = None
    credential_text: str | None = attrs.field(default=None, repr=False)
    credential_file: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class AccountsQuery(ListQuery):
    """Asks for accounts."""

    provider: str | None = attrs.field(default=None, metadata={"choices": PROVIDERS})
    status: AccountStatus | None = None


@attrs.frozen(kw_only=True)
class Cooldown:
    """Takes an account out for `seconds`; `accounts.cooldown_seconds` if it says nothing."""

    seconds: float | None = None


@attrs.frozen(kw_only=True)
class RemovedAccount:
    """Says that an account is out of the pool."""

    account_id: str
    removed: bool = True


@routes.post("/accounts/upload", body=AccountUpload, answer=AccountRow, status=201, forms=True)
async def upload(asked: Asked[Operator, Nothing, AccountUpload]) -> Answer[AccountRow]:
    """Registers an account, or stores a new credential of one that is there."""
    services, body = asked.services, asked.body
    account_id = services.new_id("acc") if body.account_id is None else body.account_id
    new = NewAccount(
        account_id=account_id,
        provider=body.provider,
        auth_type=body.auth_type,
        label=body.label or "",
        credential=_credential(body),
    )
    position = await services.accounts.register(new, asked.cause)
    also = {"account_id": account_id}
    return await done(asked, position, view=services.views.accounts, item_id=account_id, also=also)


@routes.get("/accounts", query=AccountsQuery, answer=list[AccountRow])
async def list_accounts(
    asked: Asked[Operator, AccountsQuery, Nothing],
) -> Answer[list[AccountRow]]:
    """Lists the accounts that are registered, newest first."""
    return await listing(asked, asked.services.views.accounts)


@routes.get("/accounts/{account_id}", query=ItemQuery, answer=AccountRow)
async def show_account(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[AccountRow]:
    """Shows one account."""
    return await one(asked, asked.services.views.accounts, asked.path["account_id"])


@routes.post("/accounts/{account_id}/cooldown", body=Cooldown, answer=AccountRow)
async def cool_down(asked: Asked[Operator, Nothing, Cooldown]) -> Answer[AccountRow]:
    """Takes the account out for a while."""
    services, account_id = asked.services, asked.path["account_id"]
    position = await services.accounts.cooldown(account_id, asked.cause, seconds=asked.body.seconds)
    return await done(asked, position, view=services.views.accounts, item_id=account_id)


@routes.post("/accounts/{account_id}/recover", body=Nothing, answer=AccountRow)
async def recover(asked: Asked[Operator, Nothing, Nothing]) -> Answer[AccountRow]:
    """Calls the account ready again."""
    services, account_id = asked.services, asked.path["account_id"]
    position = await services.accounts.recover(account_id, asked.cause)
    return await done(asked, position, view=services.views.accounts, item_id=account_id)


@routes.delete("/accounts/{account_id}", answer=RemovedAccount)
async def remove(asked: Asked[Operator, Nothing, Nothing]) -> Answer[RemovedAccount]:
    """Takes the account out of the pool; the vault forgets its credential."""
    account_id = asked.path["account_id"]
    position = await asked.services.accounts.remove(account_id, asked.cause)
    return await done(asked, position, data=RemovedAccount(account_id=account_id))


def _credential(body: AccountUpload) -> bytes:
    text = body.credential_text or body.credential_file
    if text is None or not text.strip():
        raise InvalidRequest("credential_text is missing, or empty.", param="credential_text")
    secret = text.encode()
    if len(secret) > LARGEST:
        raise InvalidRequest(
            f"The credential is larger than {LARGEST // 1_024} KiB.", param="credential_text"
        )
    return secret
