"""Who is calling: a session or a key is looked up once, then known until its owner loses it."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.identifiers import partition_of_id
from tallymark_server.domain.model.merchants import (
    CallerKind,
    Credential,
    Terminal,
    TerminalState,
)
from tallymark_server.domain.model.people import Session
from tallymark_server.keyring import secret_hash
from tallymark_server.lanes.lane import Changes
from tallymark_server.services.answering import load_one
from tallymark_server.services.peer_keys import PeerKey
from tallymark_server.storage.store import Store

__all__ = ["CALLER", "SESSION_LABEL", "Callers", "customer_partition"]

CALLER: ContextVar[Caller] = ContextVar("caller")
"""The caller of the call that is being handled; set by the interceptor, nowhere else."""

SESSION_LABEL: Final = "tms"
"""What a session token begins with, so that one found somewhere tells what it opens."""

CACHE_MAX: Final = 20_000
"""Callers that are remembered."""

_Known = tuple[Caller, int]
"""A caller, and the time its session, or the newest certificate over its key, ends."""


def customer_partition(caller: Caller) -> int:
    """Return the partition of the calling customer."""
    return partition_of_id(caller.caller_id)


class Callers:
    """Finds callers by session token or key. Commits that end a session or key make it forget.

    A terminal may also be spoken for, by the one that the operator has delegated it to.
    """

    def __init__(
        self, *, store: Store, clock: Clock, adopt: Callable[[PeerKey], Awaitable[None]]
    ) -> None:
        """Start knowing nobody; take what knows a key again that a restored database has lost."""
        self._adopt = adopt
        self._store = store
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._spoken_for: OrderedDict[str, tuple[str, Caller]] = OrderedDict()
        self._commits = 0

    async def customer(self, authorization: str) -> Caller:
        """Return the customer whose session token stands in the authorization metadata.

        Raises:
            Refused: CREDENTIALS_MISSING, CREDENTIALS_INVALID, SESSION_EXPIRED.

        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(Reason.CREDENTIALS_MISSING)
        if not token.startswith(f"{SESSION_LABEL}_"):
            raise Refused(Reason.CREDENTIALS_INVALID)
        caller, ends_at = await self._find(secret_hash(token), self._session)
        if self._clock.now() >= ends_at:
            raise Refused(Reason.SESSION_EXPIRED)
        return caller

    async def key_owner(self, key: PeerKey, needed: CallerKind) -> Caller:
        """Return the terminal or operator whose key this is.

        Raises:
            Refused: CREDENTIALS_INVALID, CERTIFICATE_EXPIRED, CALLER_NOT_ALLOWED.

        """
        try:
            caller, ends_at = await self._find(key.key_hash, self._owner)
        except Refused:
            await self._adopt(key)
            caller, ends_at = await self._find(key.key_hash, self._owner)
        if self._clock.now() >= min(ends_at, key.expires_at):
            raise Refused(Reason.CERTIFICATE_EXPIRED)
        if caller.kind is not needed:
            raise Refused(Reason.CALLER_NOT_ALLOWED, needed=needed.value)
        return caller

    async def spoken_for(self, concentrator: Caller, terminal_id: str) -> Caller:
        """Return the terminal that another one speaks for.

        Raises:
            Refused: TERMINAL_NOT_DELEGATED.

        """
        known = self.find_spoken_for(concentrator, terminal_id)
        if known is not None:
            return known
        commits = self._commits
        terminal = await load_one(self._store, Terminal.key_of(terminal_id))
        if (
            terminal is None
            or terminal.concentrator_id != concentrator.caller_id
            or terminal.state is TerminalState.REVOKED
        ):
            raise Refused(Reason.TERMINAL_NOT_DELEGATED, terminal_id=terminal_id)
        caller = Caller(
            kind=CallerKind.TERMINAL, caller_id=terminal_id, merchant_id=terminal.merchant_id
        )
        if commits == self._commits:
            self._spoken_for[terminal_id] = concentrator.caller_id, caller
            if len(self._spoken_for) > CACHE_MAX:
                self._spoken_for.popitem(last=False)
        return caller

    def find_spoken_for(self, concentrator: Caller, terminal_id: str) -> Caller | None:
        """Return the terminal if it is remembered that this one speaks for it."""
        concentrator_id, caller = self._spoken_for.get(terminal_id, ("", None))
        return caller if concentrator_id == concentrator.caller_id else None

    def forget(self, changes: Changes) -> None:
        """Forget whoever lost a session or a key, as a revoked terminal does, or renewed it."""
        for key in changes:
            if key.table is Terminal:
                self._commits += 1
                self._spoken_for.pop(key.text, None)
            elif key.table is Session or key.table is Credential:
                self._commits += 1
                self._known.pop(key.text, None)

    async def _find(self, text: str, look_up: Callable[[str], Awaitable[_Known]]) -> _Known:
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        commits = self._commits
        known = await look_up(text)
        if commits == self._commits:  # nothing about callers changed while we looked
            self._known[text] = known
            if len(self._known) > CACHE_MAX:
                self._known.popitem(last=False)
        return known

    async def _session(self, text: str) -> _Known:
        key = Session.key_of(text)
        session = (await self._store.load([key]))[key]
        if not isinstance(session, Session):
            raise Refused(Reason.CREDENTIALS_INVALID)
        caller = Caller(
            kind=CallerKind.CUSTOMER,
            caller_id=session.customer_id,
            device_id=session.device_id,
            session=session.token_hash,
        )
        return caller, session.expires_at

    async def _owner(self, text: str) -> _Known:
        key = Credential.key_of(text)
        credential = (await self._store.load([key]))[key]
        if not isinstance(credential, Credential):
            raise Refused(Reason.CREDENTIALS_INVALID)
        merchant_id = ""
        if credential.kind is CallerKind.TERMINAL:
            merchant_id = await self._merchant_of(credential.owner_id)
        caller = Caller(
            kind=credential.kind, caller_id=credential.owner_id, merchant_id=merchant_id
        )
        return caller, credential.expires_at

    async def _merchant_of(self, terminal_id: str) -> str:
        key = Terminal.key_of(terminal_id)
        terminal = (await self._store.load([key]))[key]
        if not isinstance(terminal, Terminal) or terminal.state is not TerminalState.ENROLLED:
            raise Refused(Reason.CREDENTIALS_INVALID)
        return terminal.merchant_id
