"""Who is calling: a secret is looked up once, then known until its owner loses it."""

from collections import OrderedDict
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
from tallymark_server.storage.store import Store

__all__ = ["CALLER", "SECRET_LABELS", "Callers", "customer_partition"]

CALLER: ContextVar[Caller] = ContextVar("caller")
"""The caller of the call that is being handled; set by the interceptor, nowhere else."""

SECRET_LABELS: Final = {
    "tms": CallerKind.CUSTOMER,
    "tmt": CallerKind.TERMINAL,
    "tmo": CallerKind.OPERATOR,
}
"""What a secret begins with, so that a secret found somewhere tells what it opens."""

CACHE_MAX: Final = 20_000
"""Callers that are remembered."""

_Known = tuple[Caller, int]
"""A caller, and the time its secret ends (0: never)."""


def customer_partition(caller: Caller) -> int:
    """Return the partition of the calling customer."""
    return partition_of_id(caller.caller_id)


class Callers:
    """Finds callers by their secrets. Commits that end a session or credential make it forget."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        """Start knowing nobody."""
        self._store = store
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._commits = 0

    async def identify(self, authorization: str, needed: CallerKind) -> Caller:
        """Return the caller whose secret stands in the authorization metadata.

        Raises:
            Refused: CREDENTIALS_MISSING, CREDENTIALS_INVALID, SESSION_EXPIRED, CALLER_NOT_ALLOWED.

        """
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Refused(Reason.CREDENTIALS_MISSING)
        kind = SECRET_LABELS.get(secret.partition("_")[0])
        if kind is None:
            raise Refused(Reason.CREDENTIALS_INVALID)
        caller, ends_at = await self._find(kind, secret_hash(secret))
        if ends_at and self._clock.now() >= ends_at:
            raise Refused(Reason.SESSION_EXPIRED)
        if caller.kind is not needed:
            raise Refused(Reason.CALLER_NOT_ALLOWED, needed=needed.value)
        return caller

    def forget(self, changes: Changes) -> None:
        """Forget whoever lost a session or a credential, as a revoked terminal does."""
        for key, row in changes.items():
            if key.table in {Session, Credential}:
                self._commits += 1
                if row is None:
                    self._known.pop(key.text, None)

    async def _find(self, kind: CallerKind, text: str) -> _Known:
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        commits = self._commits
        known = await (self._session(text) if kind is CallerKind.CUSTOMER else self._owner(text))
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
        return caller, 0

    async def _merchant_of(self, terminal_id: str) -> str:
        key = Terminal.key_of(terminal_id)
        terminal = (await self._store.load([key]))[key]
        if not isinstance(terminal, Terminal) or terminal.state is not TerminalState.ENROLLED:
            raise Refused(Reason.CREDENTIALS_INVALID)
        return terminal.merchant_id
