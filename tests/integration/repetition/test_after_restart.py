"""What is kept in the database file: every answer, and no secret."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from tallymark_protocol.tls import open_channel
from tallymark_server.app import serve
from tallymark_server.institution import CreditInstitution, open_institution_channel
from tallymark_server.keyring import Keyring
from tallymark_server.limits import UNSAFE_WIDE_FOR_TESTS
from tallymark_server.parts import Parts
from tallymark_server.passwords import UNSAFE_FAST_FOR_TESTS
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.tls.server_tls import ServerTls
from tests.integration.repetition.test_repetition import fixed_part
from tests.world.actor import Actor
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.calls import Call, everything_in, send
from tests.world.clock import MovedClock
from tests.world.contract import RPCS_WITH_REQUEST_ID
from tests.world.played import Played, play_all, secrets_of
from tests.world.secret_values import forms_of
from tests.world.serving import world
from tests.world.stage import ANAS_NUMBER, Stage
from tests.world.world import SentNumbers

AUTHORITY = new_authority(LONG_LIVES)
"""Of both servers, as one keeps it in its key folder."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tallymark.sqlite3"


async def test_every_answer_is_the_same_after_a_restart(database: Path, keyring: Keyring) -> None:
    played = await _play_and_stop(database, keyring)

    async with _served_again(database, keyring) as (store, connected):
        before = await everything_in(store)
        for one in played:
            again = await send(connected(one))
            assert fixed_part(one.rpc, again) == fixed_part(one.rpc, one.answer), one.rpc
        assert await everything_in(store) == before


async def test_no_secret_stands_in_the_database_file_or_its_log(
    database: Path, keyring: Keyring
) -> None:
    store = await SqliteStore.open(database, keyring.cells)
    try:
        async with world(store, keyring, authority=AUTHORITY) as made:
            stage = await Stage.set_up(made)
            secrets = secrets_of(stage, await play_all(stage))
            while_open = _bytes_of(database)
    finally:
        await store.close()

    for content in (while_open, _bytes_of(database)):
        assert b'"Jazz night"' in content, "the files hold what was registered"
        assert ANAS_NUMBER.encode() not in content
        found = [
            (secret, form)
            for secret in secrets
            for form, looked_for in forms_of(secret).items()
            if looked_for in content
        ]
        assert not found


async def _play_and_stop(database: Path, keyring: Keyring) -> list[Played]:
    store = await SqliteStore.open(database, keyring.cells)
    try:
        async with world(store, keyring, authority=AUTHORITY) as made:
            stage = await Stage.set_up(made)
            return await play_all(stage, RPCS_WITH_REQUEST_ID)
    finally:
        await store.close()


@asynccontextmanager
async def _served_again(
    database: Path, keyring: Keyring
) -> AsyncIterator[tuple[SqliteStore, Callable[[Played], Call]]]:
    """Serve what is stored, without any credit institution: repetitions need none.

    The function that comes with it turns a call into the same call to this server.
    """
    async with AsyncExitStack() as stack:
        store = await SqliteStore.open(database, keyring.cells)
        stack.push_async_callback(store.close)
        nobody = open_institution_channel(f"unix:{database.parent / 'nobody'}")
        stack.push_async_callback(nobody.close)
        parts = Parts(
            store=store,
            clock=MovedClock(),
            keyring=keyring,
            institution=CreditInstitution(nobody),
            number_sender=SentNumbers(),
            limits=UNSAFE_WIDE_FOR_TESTS,
            authority=AUTHORITY,
            tls=ServerTls(AUTHORITY, clock=MovedClock(), host_names=["127.0.0.1"]),
            password_profile=UNSAFE_FAST_FOR_TESTS,
        )
        app = await stack.enter_async_context(
            serve(
                parts,
                listen="127.0.0.1:0",
                terminal_listen="127.0.0.1:0",
                operator_listen="127.0.0.1:0",
            )
        )
        ports = {
            "customer": app.port,
            "terminal": app.terminal_port,
            "operator": app.operator_port,
        }
        channels: dict[str, grpc.aio.Channel] = {}

        def connected(played: Played) -> Call:
            actor, kind = played.call.actor, played.rpc.caller
            if kind not in channels:
                channels[kind] = open_channel(
                    f"127.0.0.1:{ports[kind]}",
                    ca_certificates_pem=AUTHORITY.certificates_pem,
                    identity=actor.identity,
                )
                stack.push_async_callback(channels[kind].close)
            return Call(Actor(type(actor.stub)(channels[kind]), actor.secret), *played.call[1:])

        yield store, connected


def _bytes_of(database: Path) -> bytes:
    """Return the content of the database and of every file beside it."""
    return b"\n".join(file.read_bytes() for file in sorted(database.parent.iterdir()))
