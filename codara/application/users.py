"""Users and their keys: provisioning, changes, and authentication."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from codara.application.callers import Caller
from codara.application.deciding import Deciding, States
from codara.application.keys import IssuedKey, fresh_key, has_form, issue
from codara.application.ports.secrets import Keys
from codara.application.ports.views import KeyStreams
from codara.clock import Clock
from codara.domain import key, name, text, user
from codara.errors import InvalidApiKey, NotFound
from codara.events import streams
from codara.events.base import Cause, Event
from codara.ids import NewId

ADMIN_EMAIL: Final = "dashboard-admin@codara.local"


@attrs.frozen(kw_only=True)
class NewUser:
    """A user to make; `max_concurrency` None means the configured default."""

    email: str
    display_name: str | None = None
    key_label: str | None = None
    key_expires_at: datetime | None = None
    max_concurrency: int | None = None


@attrs.frozen(kw_only=True)
class Provisioned:
    user_id: str
    email: str
    display_name: str
    max_concurrency: int
    key: IssuedKey
    position: int | None


@attrs.frozen(kw_only=True)
class Users:
    """Commands on users and their keys; each takes the cause of what it does.

    Commands return the log position of what they appended, None for nothing. All raise NotFound for
    an unknown user and Conflict for a deleted one.
    """

    deciding: Deciding
    keys: Keys
    key_streams: KeyStreams
    clock: Clock
    new_id: NewId
    default_concurrency: int = 3

    async def provision(self, new: NewUser, cause: Cause) -> Provisioned:
        """Makes a user with a first key in one append; Conflict if the address has a user."""
        email = user.normal_email(new.email)
        shown = text.one_line(new.display_name or email, param="display_name")
        limit = self.default_concurrency if new.max_concurrency is None else new.max_concurrency
        user_id = self.new_id("usr")
        fresh = fresh_key(
            self.new_id("key"), new.key_label or "", new.key_expires_at, param="key_label"
        )
        user_stream, key_stream = streams.user(user_id), self._key_stream(fresh.raw_key)
        name_stream = self._email_stream(email)
        now = self.clock()
        _claim_email(await self.deciding.state(name_stream), user_id)
        await self.keys.ensure(user_id)

        def decision(states: States) -> dict[str, list[Event]]:
            return {
                name_stream: _claim_email(states[name_stream], user_id),
                user_stream: user.provision(
                    states[user_stream],
                    user_id=user_id,
                    email=email,
                    display_name=shown,
                    max_concurrency=limit,
                    role="user",
                ),
                key_stream: issue(states[key_stream], fresh, user_id, now),
            }

        decided = await self.deciding.decide(
            (user_stream, key_stream, name_stream), decision, cause
        )
        return Provisioned(
            user_id=user_id,
            email=email,
            display_name=shown,
            max_concurrency=limit,
            key=attrs.evolve(fresh, position=decided.position),
            position=decided.position,
        )

    async def update(
        self,
        user_id: str,
        cause: Cause,
        *,
        display_name: str | None = None,
        max_concurrency: int | None = None,
    ) -> int | None:
        """Changes what is given (None: it stays)."""
        shown = None if display_name is None else text.one_line(display_name, param="display_name")
        stream = streams.user(user_id)
        return await self.deciding.decide_on(
            stream,
            partial(
                user.update, user_id=user_id, display_name=shown, max_concurrency=max_concurrency
            ),
            cause,
        )

    async def suspend(self, user_id: str, cause: Cause) -> int | None:
        """Suspends the user: no key of theirs works until restored. Conflict for the admin."""
        stream = streams.user(user_id)
        return await self.deciding.decide_on(stream, partial(user.suspend, user_id=user_id), cause)

    async def restore(self, user_id: str, cause: Cause) -> int | None:
        """Makes a suspended user active again."""
        stream = streams.user(user_id)
        return await self.deciding.decide_on(stream, partial(user.restore, user_id=user_id), cause)

    async def delete(self, user_id: str, cause: Cause) -> int | None:
        """Ends the user; the e-mail address may be used again. Conflict for the admin."""
        stream = streams.user(user_id)
        email = (await self.deciding.state(stream)).email
        name_stream = None if email is None else self._email_stream(email)

        def decision(states: States) -> dict[str, list[Event]]:
            events = {stream: user.delete(states[stream], user_id=user_id)}
            if name_stream is not None:
                events[name_stream] = name.free(states[name_stream], owner=user_id)
            return events

        touched = (stream,) if name_stream is None else (stream, name_stream)
        decided = await self.deciding.decide(touched, decision, cause)
        return decided.position

    async def issue_key(
        self, user_id: str, cause: Cause, *, label: str | None, until: datetime | None
    ) -> IssuedKey:
        """Gives the user one more key."""
        return await self.rotate_key(user_id, (), cause, label=label, until=until)

    async def rotate_key(
        self,
        user_id: str,
        key_ids: Sequence[str],
        cause: Cause,
        *,
        label: str | None,
        until: datetime | None,
        minting: datetime | None = None,
    ) -> IssuedKey:
        """Gives the user a new key in place of `key_ids`, which stop working at the same moment.

        `minting` is when the key expires that the user makes it with: InvalidRequest if the new one
        would outlive it. None if that never expires, or if an operator makes the key.
        """
        ends = key.until_of_minted(until, minting=minting)
        fresh = fresh_key(self.new_id("key"), label or "", ends, param="label")
        user_stream, key_stream = streams.user(user_id), self._key_stream(fresh.raw_key)
        old = {await self._stream_of(key_id): key_id for key_id in key_ids}
        now = self.clock()

        def decision(states: States) -> dict[str, list[Event]]:
            user.check_present(states[user_stream], user_id=user_id)
            return {key_stream: issue(states[key_stream], fresh, user_id, now)} | {
                stream: key.revoke(states[stream], key_id=key_id, user_id=user_id)
                for stream, key_id in old.items()
            }

        decided = await self.deciding.decide((user_stream, key_stream, *old), decision, cause)
        return attrs.evolve(fresh, position=decided.position)

    async def revoke_key(self, user_id: str, key_id: str, cause: Cause) -> int | None:
        """Ends the key; NotFound if it is not this user's."""
        stream = await self._stream_of(key_id)
        return await self.deciding.decide_on(
            stream, partial(key.revoke, key_id=key_id, user_id=user_id), cause
        )

    async def authenticate(self, raw_key: str) -> Caller:
        """Returns whose key it is, by the log and never by a read model.

        InvalidApiKey if the key is unknown, revoked or expired; UserSuspended if its user is
        suspended or deleted.
        """
        if not has_form(raw_key):
            raise InvalidApiKey("This API key is not one of this gateway's.")
        held: key.Key = await self.deciding.state(self._key_stream(raw_key))
        key.admit(held, now=self.clock())
        holder: user.User = await self.deciding.state(streams.user(held.user_id))
        user.admit(holder)
        return Caller(
            user_id=held.user_id,
            key_id=held.key_id,
            max_concurrency=holder.max_concurrency,
            key_until=held.until,
        )

    async def ensure_admin(self, max_concurrency: int, cause: Cause) -> str:
        """Returns the id of the Dashboard Admin, who is made (without a key) if need be."""
        name_stream, user_id = self._email_stream(ADMIN_EMAIL), self.new_id("usr")
        user_stream = streams.user(user_id)

        def decision(states: States) -> dict[str, list[Event]]:
            if states[name_stream].owner is not None:
                return {}
            return {
                name_stream: _claim_email(states[name_stream], user_id),
                user_stream: user.provision(
                    states[user_stream],
                    user_id=user_id,
                    email=ADMIN_EMAIL,
                    display_name="Dashboard Admin",
                    max_concurrency=max_concurrency,
                    role=user.ADMIN,
                ),
            }

        decided = await self.deciding.decide((user_stream, name_stream), decision, cause)
        return str(decided.states[name_stream].owner)

    async def caller_for_operator(self, operator_id: str) -> Caller:
        """Returns the Dashboard Admin as a caller, acting for an operator.

        NotFound if there is no admin yet.
        """
        owner = (await self.deciding.state(self._email_stream(ADMIN_EMAIL))).owner
        if owner is None:
            raise NotFound("There is no Dashboard Admin yet: the gateway has not started.")
        admin: user.User = await self.deciding.state(streams.user(owner))
        return Caller(
            user_id=owner,
            key_id=None,
            max_concurrency=admin.max_concurrency,
            operator_id=operator_id,
        )

    async def _stream_of(self, key_id: str) -> str:
        stream = await self.key_streams.key_stream(key_id)
        if stream is None:
            raise NotFound(f"There is no key {key_id}.")
        return stream

    def _key_stream(self, raw_key: str) -> str:
        return streams.key(self.keys.digest("key", raw_key))

    def _email_stream(self, email: str) -> str:
        return streams.name(self.keys.digest("name", "email", email))


def _claim_email(state: name.Name, user_id: str) -> list[Event]:
    return name.claim(
        state, kind="email", owner=user_id, taken="A user with this e-mail address exists already."
    )
