"""The terminal and the real server, from the enrolment code to the receipt and the revocation."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallymark.v1 import operator_service_pb2
from tallymark_protocol.checkpoint import parse_checkpoint
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_protocol.verified_receipt import verify_receipt
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tallymark_terminal.actions import Charge, SaleRequest
from tallymark_terminal.app import Terminal, open_terminal
from tallymark_terminal.checkpoint_records import CheckpointRecords
from tallymark_terminal.code_check import RefusedHere
from tallymark_terminal.home import Home
from tallymark_terminal.identity import Identity
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.money import Money
from tallymark_terminal.sale_results import Outcome
from tallymark_terminal.scanner import ScannedCode
from tallymark_terminal.server_connection import ServerConnection
from tests.world.actor import DEADLINE_SECONDS
from tests.world.authority import LONG_LIVES
from tests.world.serving import world
from tests.world.shop import Shop, open_shop

CHARGE = SaleRequest(actions=(Charge(amount=Money(currency_code="EUR", minor_units=450)),))


@dataclass
class Till:
    """A terminal of the real program, enrolled at the real server."""

    shop: Shop
    home: Home
    terminal: Terminal
    printed: io.StringIO

    async def scan(self, code: str, request: SaleRequest = CHARGE) -> Outcome:
        """Make a sale of a code, as a scan of it does."""

        async def one() -> AsyncIterator[ScannedCode]:
            yield ScannedCode(text=code, source="test")

        outcomes = self.terminal.scanning.scan_all(one(), request, is_once=True)
        return [outcome async for outcome in outcomes][-1]

    def shown(self) -> dict[str, Any]:
        """Return the object that was printed last."""
        result: dict[str, Any] = json.loads(self.printed.getvalue().splitlines()[-1])
        return result


async def enrol(shop: Shop, home: Home, *, terminal_id: str = "till-9") -> Identity:
    create = operator_service_pb2.CreateTerminalRequest(terminal_id=terminal_id, merchant_id="cafe")
    code = (await shop.world.operator.call("CreateTerminal", create)).enrolment_code
    attempt = home.identity_files.attempt("enrol", new_id="01a20540-1ff0-79f2-8909-12034c959227")
    async with ServerConnection(
        f"127.0.0.1:{shop.world.app.port}",
        ca_certificates_pem=shop.world.ca_pem,
        identity=None,
        steady=lambda: 0.0,
    ) as server:
        lost = await server.enrol(attempt, enrolment_code=code)
        enrolment = await server.enrol(attempt, enrolment_code=code)
    assert enrolment == lost
    return home.identity_files.keep_enrolment(
        attempt, enrolment, server=f"127.0.0.1:{enrolment.terminal_port}"
    )


@contextlib.asynccontextmanager
async def opened(shop: Shop, home: Home) -> AsyncIterator[Till]:
    """Start the terminal, and keep what it prints."""
    printed = io.StringIO()
    async with contextlib.AsyncExitStack() as stack:
        with contextlib.redirect_stdout(printed):
            terminal = await stack.enter_async_context(
                open_terminal(home, as_json=True, patience_seconds=0)
            )
        assert await terminal.scanning.start() is None
        yield Till(shop, home, terminal, printed)


@pytest.fixture
async def till(shop: Shop, tmp_path: Path) -> AsyncIterator[Till]:
    home = Home(tmp_path / "till-9")
    await enrol(shop, home)
    async with opened(shop, home) as one:
        yield one


async def test_sale_is_made_and_its_checkpoint_fits_the_servers_journal(till: Till) -> None:
    assert await till.scan(await till.shop.phone.issue()) is Outcome.EXECUTED

    checkpoint = parse_checkpoint(till.shown()["checkpoint"])
    (entry,) = await till.shop.world.store.journal(
        0, after_sequence=checkpoint.sequence - 1, limit=1
    )
    assert checkpoint.fits(entry.chain_hash)


async def test_signed_checkpoint_of_the_server_is_genuine_and_kept(till: Till) -> None:
    with contextlib.closing(JournalFile(till.home.journal_path)) as file:
        (signed,) = await CheckpointRecords(file).all_signed()

    assert signed.is_genuine()


async def test_receipt_of_a_confirmed_sale_can_be_verified_by_anybody(till: Till) -> None:
    phone = till.shop.phone
    await till.shop.world.operator.set_policy(confirm_money_from=1)
    scan = asyncio.create_task(till.scan(await phone.issue()))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (processes := await phone.processes()):  # noqa: ASYNC110 - the server's news
            await asyncio.sleep(0)
        await phone.confirm(processes[0].process_id)
        assert await scan is Outcome.EXECUTED

    verified = verify_receipt(json.dumps(till.shown()["receipt"]))
    assert verified.problems == ()
    assert verified.device_id == phone.device_id


async def test_code_that_a_phone_made_of_the_tag_is_good_here_alone(
    till: Till, tmp_path: Path
) -> None:
    other_home = Home(tmp_path / "till-8")
    await enrol(till.shop, other_home, terminal_id="till-8")
    tag = await till.terminal.server.get_tag(printed=False)
    code = await till.shop.phone.issue(terminal_tag=tag.text)

    async with opened(till.shop, other_home) as other:
        elsewhere = await other.scan(code)
        reason = other.shown()["error"]["reason"]

    assert (elsewhere, reason) == (Outcome.REFUSED_HERE, "CODE_FOR_OTHER_TERMINAL")
    assert await till.scan(code) is Outcome.EXECUTED


async def test_sum_that_needs_a_bound_code_says_to_show_the_tag(till: Till) -> None:
    await till.shop.world.operator.set_policy(bind_money_from=400)

    assert await till.scan(await till.shop.phone.issue()) is Outcome.REFUSED

    refused = till.shown()
    assert refused["refusal"]["reason"] == "CODE_NOT_BOUND"
    assert "tag" in refused["words"]


async def test_tags_tell_when_to_fetch_the_next_one(till: Till) -> None:
    shown_tag = await till.terminal.server.get_tag(printed=False)
    printed = await till.terminal.server.get_tag(printed=True)

    assert shown_tag.next_at < shown_tag.expires_at
    assert (printed.expires_at - shown_tag.expires_at).days > 300


async def test_certificate_is_renewed_in_service(till: Till) -> None:
    before = till.terminal.identity
    till.shop.world.clock.move(seconds=LONG_LIVES.client_seconds * 0.51)

    await till.terminal.upkeep.start()

    after = till.terminal.identity
    assert after.key.key_hash() != before.key.key_hash()
    assert after.certificate.expires_at > before.certificate.expires_at
    assert till.home.read_identity().key.key_hash() == after.key.key_hash()
    await till.terminal.server.list_verification_keys()


async def test_revoked_terminal_hears_it_on_its_open_connection(till: Till) -> None:
    code = await till.shop.phone.issue()
    request = operator_service_pb2.RevokeTerminalRequest(terminal_id="till-9")
    await till.shop.world.operator.call("RevokeTerminal", request)

    assert await till.scan(code) is Outcome.NOT_ACCEPTED

    assert till.shown()["error"]["reason"] == "CREDENTIALS_INVALID"


async def test_certificate_that_ended_is_told_on_the_open_connection(till: Till) -> None:
    till.shop.world.clock.move(seconds=LONG_LIVES.client_seconds + 1)

    with pytest.raises(Refused) as refused:
        await till.terminal.server.list_verification_keys()

    assert refused.value.reason is Reason.CERTIFICATE_EXPIRED


async def test_code_of_a_customer_passes_the_local_check_until_it_has_expired(till: Till) -> None:
    code = await till.shop.phone.issue()
    await till.terminal.check.check(code)
    till.shop.world.clock.move(seconds=61)
    await till.terminal.check.keys(age_seconds_max=-1)

    with pytest.raises(RefusedHere) as refused:
        await till.terminal.check.check(code)

    assert refused.value.reason is Reason.CODE_EXPIRED


@pytest.fixture
async def till_of_its_own_server(tmp_path: Path) -> AsyncIterator[Till]:
    """Return a terminal whose server shares its keys with no other test."""
    async with world(MemoryStore(), Keyring.open(tmp_path / "keys")) as served:
        shop = await open_shop(served)
        await enrol(shop, Home(tmp_path / "till-9"))
        async with opened(shop, Home(tmp_path / "till-9")) as till:
            yield till


async def rotate(till: Till, key_id: int) -> int:
    """Let the server sign with a new key, and return its number."""
    request = operator_service_pb2.RotateKeyRequest(
        kind=operator_service_pb2.KEY_KIND_SIGNING, key_id=key_id
    )
    answer = await till.shop.world.operator.call("RotateKey", request)
    return int(answer.key.key_id)


async def test_keys_are_changed_between_codes_and_no_customer_is_refused(
    till_of_its_own_server: Till,
) -> None:
    till = till_of_its_own_server
    (key,) = (await till.terminal.check.keys()).keys
    in_use = key.key_id
    outcomes = []

    for _ in range(3):
        before = await till.shop.phone.issue()
        in_use = await rotate(till, in_use)
        outcomes.append(await till.scan(before))
        outcomes.append(await till.scan(await till.shop.phone.issue()))

    assert set(outcomes) == {Outcome.EXECUTED}
    assert in_use != key.key_id


async def test_code_of_a_key_that_was_given_up_is_refused_by_the_server(
    till_of_its_own_server: Till,
) -> None:
    till = till_of_its_own_server
    (key,) = (await till.terminal.check.keys()).keys
    code = await till.shop.phone.issue()
    request = operator_service_pb2.RevokeKeyRequest(key_id=key.key_id, note="stolen")
    await till.shop.world.operator.call("RevokeKey", request)

    assert await till.scan(code) is Outcome.REFUSED
    assert till.shown()["error"]["reason"] == "CODE_KEY_UNKNOWN"

    assert await till.scan(await till.shop.phone.issue()) is Outcome.EXECUTED
