"""Builds the gateway and runs it until it is told to stop. READ FIRST."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import msgspec

from tallymark_institution.iso8583.gateway.card_vault import Card, CardVault
from tallymark_institution.iso8583.gateway.gateway import Gateway, Patience
from tallymark_institution.iso8583.gateway.host_line import LineSettings
from tallymark_institution.iso8583.gateway.journal import Journal
from tallymark_institution.iso8583.gateway.messages import Acquirer
from tallymark_institution.iso8583.gateway.services.card_host_institution import CardHostInstitution
from tallymark_institution.serving import GRACE_SECONDS, served, until_signal

__all__ = ["Options", "run", "serving"]

_KEY_CHECK = "key check"
"""A place in the vault that no card has: what is sealed there tells whether the key is the one."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway is told to do."""

    listen: str
    """HOST:PORT; port 0 takes a free one."""
    data: Path
    """Journal file."""
    key_file: Path
    """Key of the cards in the journal."""
    line: LineSettings
    acquirer: Acquirer
    patience: Patience = Patience()
    certificate: Path | None = None
    """Certificate chain and key of the gateway in PEM; without them it serves plain text."""
    private_key: Path | None = None
    tell: Callable[[str], object]
    """Takes a line for what happens."""


async def run(options: Options, *, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises CannotListen, JournalUnusable, KeyUnusable and OSError.
    """
    await until_signal(_serving_port(options), ready_file=ready_file, tell=options.tell)


@contextlib.asynccontextmanager
async def serving(
    options: Options,
    *,
    now: Callable[[], float] = time.time,
    grace_seconds: float = GRACE_SECONDS,
) -> AsyncIterator[tuple[int, Gateway]]:
    """Serve inside the block, which gets the port and what is served."""
    is_new = not options.data.exists()
    vault = await asyncio.to_thread(CardVault.open, options.key_file, may_make=is_new)
    async with contextlib.AsyncExitStack() as cleanup:
        journal = await asyncio.to_thread(Journal.open, options.data)
        cleanup.push_async_callback(asyncio.to_thread, journal.close)
        await _check_key(journal, vault)
        gateway = Gateway(
            journal=journal,
            vault=vault,
            acquirer=options.acquirer,
            line=options.line,
            patience=options.patience,
            now=now,
        )
        await cleanup.enter_async_context(gateway.running())
        institution = CardHostInstitution(gateway=gateway, vault=vault, now=now)
        port = await cleanup.enter_async_context(
            served(
                institution,
                listen=options.listen,
                credentials=await asyncio.to_thread(_credentials, options),
                grace_seconds=grace_seconds,
            )
        )
        yield port, gateway


@contextlib.asynccontextmanager
async def _serving_port(options: Options) -> AsyncIterator[int]:
    async with serving(options) as (port, _):
        yield port


async def _check_key(journal: Journal, vault: CardVault) -> None:
    """Raise KeyUnusable if cards were sealed with another key."""
    sealed = await journal.card(_KEY_CHECK)
    if sealed is None:
        nothing = Card(number="", expires_on="")
        await journal.keep_card(_KEY_CHECK, vault.seal(_KEY_CHECK, nothing))
    else:
        vault.unseal(_KEY_CHECK, sealed)


def _credentials(options: Options) -> grpc.ServerCredentials | None:
    if options.certificate is None or options.private_key is None:
        return None
    pair = (options.private_key.read_bytes(), options.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair])
