"""The part of OperatorService that is about the server's own keys."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import NotDone, Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.clock import Clock
from tallymark_server.domain import commands
from tallymark_server.domain.answers import Done
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.keys import KeyKind
from tallymark_server.keyring import Keyring
from tallymark_server.keys.ring import KeyFacts, KeyRing, NoNumberFree
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided
from tallymark_server.services.callers import CALLER
from tallymark_server.services.registrations_out import verification_key_message
from tallymark_server.services.values_out import number_in_contract, time_message
from tallymark_server.storage.store import Store

__all__ = ["KeyRings", "OperatorKeys"]

CELLS_A_STEP: Final = 2_000
"""Cells that are counted at once: some 6 ms of the store's time (measured)."""

NO_NUMBER_SECONDS: Final = 60.0
"""When to ask again for a signing key if 255 of them are still good."""

_Context = grpc.aio.ServicerContext[Any, Any]


class KeyRings:
    """The rings of keys by their kinds, changed by one caller at a time."""

    def __init__(self, rings: Mapping[KeyKind, KeyRing], *, notice: Callable[[], None]) -> None:
        """Take the rings, and whom to tell that a key was replaced."""
        self.by_kind = rings
        self.notice = notice
        self.changing = asyncio.Lock()


class OperatorKeys:
    """Lists, replaces and gives up keys. The journal has it before it is done."""

    _lane: Lane
    _store: Store
    _clock: Clock
    _keyring: Keyring
    _rings: KeyRings

    async def ListKeys(
        self, request: contract.ListKeysRequest, context: _Context
    ) -> contract.ListKeysResponse:
        """List the keys of every kind, and those that verify codes."""
        cells = self._keyring.cells
        is_resealing = cells.oldest_id < cells.current_id
        counts = await self._store.count_cells(CELLS_A_STEP) if is_resealing else {}
        return contract.ListKeysResponse(
            keys=[verification_key_message(key) for key in self._keyring.verification_keys()],
            epoch=self._keyring.epoch,
            server_keys=[
                _message(kind, key, cells_left=counts.get(key.key_id, 0))
                for kind, ring in sorted(self._rings.by_kind.items())
                for key in ring.facts()
            ],
        )

    async def RotateKey(
        self, request: contract.RotateKeyRequest, context: _Context
    ) -> contract.RotateKeyResponse:
        """Replace the key in use, if it is the one that the caller means."""
        kind = KeyKind(request.kind)
        ring = self._rings.by_kind.get(kind)
        if ring is None:  # without TLS there is no such key
            raise Refused(Reason.KEY_NOT_FOUND)
        async with self._rings.changing:
            if _in_use(ring).key_id == request.key_id:
                await self._write_down(
                    commands.RotateKey(
                        caller=CALLER.get(), partition=DIRECTORY, kind=kind, key_id=request.key_id
                    )
                )
                await self._change(ring.rotate, self._clock.now())
        return contract.RotateKeyResponse(key=_message(kind, _in_use(ring)))

    async def RevokeKey(
        self, request: contract.RevokeKeyRequest, context: _Context
    ) -> contract.RevokeKeyResponse:
        """Refuse what a key has signed from now on; one that is gone already is refused anyway."""
        ring = self._keyring.signing
        async with self._rings.changing:
            if ring.find(request.key_id) is not None:
                await self._write_down(
                    commands.RevokeKey(
                        caller=CALLER.get(),
                        partition=DIRECTORY,
                        key_id=request.key_id,
                        note=request.note,
                    )
                )
                await self._change(ring.revoke, request.key_id, self._clock.now())
            elif ring.gone_mac_key(request.key_id) is None:
                raise Refused(Reason.KEY_NOT_FOUND)
        return contract.RevokeKeyResponse(key=_message(KeyKind.SIGNING, _in_use(ring)))

    async def _write_down(self, command: commands.RotateKey | commands.RevokeKey) -> None:
        await decided(self._lane, command, Done)

    async def _change(self, change: Callable[..., object], *arguments: int) -> None:
        """Change a ring, whose files take a moment."""
        try:
            await asyncio.to_thread(change, *arguments)
        except NoNumberFree:
            raise NotDone(Reason.OVERLOADED, retry_after_seconds=NO_NUMBER_SECONDS) from None
        self._rings.notice()


def _in_use(ring: KeyRing) -> KeyFacts:
    return next(key for key in ring.facts() if key.is_in_use)


def _message(kind: KeyKind, key: KeyFacts, *, cells_left: int = 0) -> contract.ServerKey:
    is_counted = kind is KeyKind.CELLS and not key.is_in_use
    return contract.ServerKey(
        kind=number_in_contract(kind),
        key_id=key.key_id,
        in_use=key.is_in_use,
        valid_from=time_message(key.made_at) if key.made_at else None,
        valid_until=time_message(key.ends_at) if key.ends_at else None,
        cells_left=cells_left if is_counted else 0,
    )
