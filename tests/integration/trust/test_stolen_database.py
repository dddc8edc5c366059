"""G16: who steals the database, its log, backups, what was logged, and every past picture.

The thief has all bytes outside the folder of keys and looks for what was planted, in every form in
which it could stand there; then shows every code that was ever shown; then swaps cells.
"""

import asyncio
import logging
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tallymark.v1 import customer_service_pb2 as c
from tallymark_server.domain.model.people import Customer
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore, StoreRefused
from tallymark_server.storage.store import StoreFailed
from tallymark_server.tls.authority import Authority
from tests.proof import Proof
from tests.world.actions import burn
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import MovedClock
from tests.world.messages import new_id
from tests.world.phone import Phone
from tests.world.secret_values import forms_of
from tests.world.serving import world
from tests.world.signed_requests import PASSWORD
from tests.world.terminal import Terminal
from tests.world.world import World

pytestmark = pytest.mark.guarantee


class Loot:
    """What was planted, and what the thief took."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}
        self.codes: list[str] = []
        self.bytes: list[bytes] = []

    def plant(self, kind: str, value: str) -> str:
        self.planted[value] = kind
        return value

    def take(self, folder: Path) -> None:
        """Take every file but those of keys."""
        files = (path for path in folder.rglob("*") if path.is_file())
        self.bytes += [path.read_bytes() for path in files if "keys" not in path.parts]

    def hits(self) -> Counter[str]:
        """Count what of the planted is found, in any form, by its kind."""
        found: Counter[str] = Counter()
        everything = b"\0".join(self.bytes)
        for value, kind in self.planted.items():
            found[kind] += any(form in everything for form in forms_of(value).values())
        return found


async def test_a_stolen_database_shows_nothing_and_spends_nothing(
    tmp_path: Path, proof: Proof, caplog: pytest.LogCaptureFixture
) -> None:
    customers = proof.trials(ci=15, campaign=150)
    caplog.set_level(logging.NOTSET + 1)
    loot, clock, authority = Loot(), MovedClock(), new_authority(LONG_LIVES)
    keyring = Keyring.open(tmp_path / "keys")
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
    async with world(store, keyring, clock=clock, authority=authority) as made:
        till = await made.add_terminal()
        phones = [await _customer(made, till, loot, number) for number in range(customers)]
        loot.take(tmp_path)  # while it serves, with its write-ahead log
        backup = tmp_path / "backup.sqlite3"
        await asyncio.to_thread(_back_up, tmp_path / "tallymark.sqlite3", backup)
        points = [await phone.points() for phone in phones]
    await store.close()
    loot.take(tmp_path)
    loot.bytes.append(caplog.text.encode())

    hits = loot.hits()
    clock.move(seconds=3_600)
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
    spent = await _spend(store, keyring, clock, authority, till=till, codes=loot.codes)
    await store.close()

    planted = Counter(loot.planted.values())
    proof.record(
        "G16 planted secrets in the files and logs",
        trials=planted.total(),
        failures=hits.total(),
        faults_fired=dict(planted),
        mutants_killed=("rows stored as they are",),
        figures={"bytes": sum(map(len, loot.bytes))},
    )
    proof.record(
        "G16 every past code shown by the thief",
        trials=len(loot.codes),
        failures=spent,
        faults_fired={"codes": len(loot.codes)},
    )
    assert min(points) > 0


async def test_rows_stored_as_they_are_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a row class that tells of people says that it is open."""
    monkeypatch.setattr(Customer, "is_open", True)
    loot, keyring = Loot(), Keyring.open(tmp_path / "keys")
    store = await SqliteStore.open(tmp_path / "tallymark.sqlite3", keyring.cells)
    async with world(store, keyring) as made:
        await _customer(made, await made.add_terminal(), loot, 1)
        loot.take(tmp_path)
    await store.close()

    assert loot.hits()["telephone number"] == 1


async def test_a_cell_in_another_row_does_not_open(tmp_path: Path, proof: Proof) -> None:
    swaps = proof.trials(ci=10, campaign=100)
    keyring = Keyring.open(tmp_path / "keys")
    path = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(path, keyring.cells)
    async with world(store, keyring) as made:
        for number in range(swaps + 1):
            await made.add_phone(f"ana-{number}")
    await store.close()

    refused = 0
    for number in range(swaps):
        copy = tmp_path / f"swapped-{number}.sqlite3"
        await asyncio.to_thread(shutil.copyfile, path, copy)
        await asyncio.to_thread(_swap, copy, number)
        refused += await _is_refused(copy, keyring)

    proof.record(
        "G16 cells put into another row",
        trials=swaps,
        failures=swaps - refused,
        faults_fired={"swaps": swaps},
        mutants_killed=("cells not bound to their rows",),
    )


async def _customer(made: World, till: Terminal, loot: Loot, number: int) -> Phone:
    """Register a customer with everything that a thief would like, who then pays once."""
    telephone = loot.plant("telephone number", f"+4930{7_000_000 + number}")
    name = loot.plant("login name", f"customer-{number}@example.org")
    phone = await made.add_phone(name, telephone_number=telephone)
    loot.plant("password", PASSWORD)
    loot.plant("session token", phone.secret)
    loot.plant("card number", (await _add_card(phone, number)))
    await made.operator.add_points(phone, 100)
    invitation = await phone.call("InviteDevice", c.InviteDeviceRequest(request_id=new_id()))
    loot.plant("invitation", invitation.invitation)
    for _ in range(2):  # one is paid with, its sibling dies
        loot.codes.append(loot.plant("code", await phone.issue()))
    process = await till.resolve(loot.codes[-1], burn(1))
    await till.complete(process.process_id)
    return phone


async def _add_card(phone: Phone, number: int) -> str:
    """Register a card whose number nobody else has, with the check digit that it needs."""
    start = f"42424242{number:07d}"
    number_of_card = next(
        f"{start}{digit}" for digit in range(10) if _luhn(f"{start}{digit}") % 10 == 0
    )
    await phone.add_card(number_of_card)
    return number_of_card


def _luhn(digits: str) -> int:
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    return sum(map(int, digits[-1::-2])) + sum(one - 9 * (one > 9) for one in doubled)


def _back_up(source: Path, target: Path) -> None:
    """Copy the pages as a tool for backups does; the server holds the only connection."""
    shutil.copyfile(source, target)
    shutil.copyfile(f"{source}-wal", f"{target}-wal")


async def _spend(  # noqa: PLR0913 -- what the thief has
    store: SqliteStore,
    keyring: Keyring,
    clock: MovedClock,
    authority: Authority,
    *,
    till: Terminal,
    codes: list[str],
) -> int:
    """Show every code at an honestly enrolled till; return how many were taken."""
    spent = 0
    async with world(store, keyring, clock=clock, authority=authority, again=True) as made:
        await made.connect(till)
        for code in codes:
            spent += await till.reason("ResolveCode", till.resolve_request(code, burn(1))) == "OK"
    return spent


def _swap(path: Path, number: int) -> None:
    """Exchange the sealed bodies of two customers."""
    with sqlite3.connect(path) as connection:
        (first, one), (second, other) = connection.execute(
            "SELECT key, body FROM customers ORDER BY key LIMIT 2 OFFSET ?", (number,)
        ).fetchall()
        for key, body in ((first, other), (second, one)):
            connection.execute("UPDATE customers SET body = ? WHERE key = ?", (body, key))
    connection.close()


async def _is_refused(path: Path, keyring: Keyring) -> bool:
    """Say whether the store refuses to open, or to read the customers."""
    try:
        store = await SqliteStore.open(path, keyring.cells)
    except StoreRefused:
        return True
    try:
        await store.scan(Customer, 0, limit=1_000)
    except StoreFailed:
        return True
    finally:
        await store.close()
    return False
