import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tallymark.v1 import action_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.doubles.background import Background, in_background
from tests.world.actions import charge
from tests.world.serving import world
from tests.world.shop import open_shop
from tests.world.signed_requests import add_device_request
from tests.world.world import World

from .admin_program import AdminProgram
from .test_admin_imports import BAD_BILLS, thousand_lines_with_seven_bad

CAPTURE_REFUSED = 7771
"""An amount that the simulated institution holds and does not take."""

DAY = "2027-01-15"
"""On which every test begins."""


@asynccontextmanager
async def world_on_disk(folder: Path) -> AsyncIterator[World]:
    keyring = Keyring.open(folder / "keys")
    store = await SqliteStore.open(folder / "tallymark.sqlite3", keyring.cells)
    try:
        async with world(store, keyring) as made:
            yield made
    finally:
        await store.close()


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Background[World]]:
    with in_background(world_on_disk(tmp_path / "data")) as background:
        yield background


@pytest.fixture
def shop(background: Background[World], tmp_path: Path) -> AdminProgram:
    made = background.server

    async def prepare() -> str:
        for login_name in ("anna", "bert", "cora"):
            await made.add_phone(login_name)
        request = contract.CreateOperatorRequest(operator_id="second")
        answer = await made.operator.call("CreateOperator", request)
        return str(answer.enrolment_code)

    enrolment = EnrolmentFile(
        enrolment_code=background.run(prepare()), ca_certificates_pem=made.ca_pem
    )
    admin = AdminProgram(tmp_path, address=f"127.0.0.1:{made.app.port}", enrolment=enrolment)
    admin.set_up_shop()
    return admin


def test_an_import_keeps_good_lines_and_a_second_one_changes_nothing(shop: AdminProgram) -> None:
    path = shop.write("bills.csv", *thousand_lines_with_seven_bad())

    first = shop.run("bills", "import", path)
    bills = shop.rows("bills", "list")
    second = shop.run("bills", "import", path)

    assert first.exit_code == second.exit_code == 1
    assert "993 added, 0 unchanged, 7 bad." in first.stdout
    assert "0 added, 993 unchanged, 7 bad." in second.stdout
    assert first.stderr == second.stderr
    for (_, advice), line in zip(BAD_BILLS.values(), first.stderr.splitlines(), strict=True):
        assert advice in line
    assert len(bills) == 993
    assert shop.rows("bills", "list") == bills


def test_tickets_and_points_of_a_file_reach_their_customers(shop: AdminProgram) -> None:
    tickets = shop.write(
        "tickets.csv",
        "event_id;ticket_id;login_name;entries;valid_from;valid_until;place",
        "concert;A-1;anna;2;2026-05-01;2026-05-02;Block B, row 4",
        "concert;A-2;bert;;2026-05-01T18:00+02:00;;",
    )
    points = shop.write(
        "points.csv",
        "programme_id,login_name,grant_reference,points",
        "stamps,anna,welcome,100",
        "stamps,anna,birthday,50",
        "stamps,anna,welcome,101",
    )

    for _ in range(2):
        shop.succeed("tickets", "import", tickets, "--time-zone", "UTC")
        assert shop.run("points", "import", points).exit_code == 1

    first, second = shop.rows("tickets", "list")
    assert (first["valid_from"], first["valid_until"]) == (
        "2026-05-01T00:00:00Z",
        "2026-05-03T00:00:00Z",
    )
    assert (second["entries"], second["valid_until"]) == (1, None)
    (account,) = shop.rows("points", "list")
    assert (account["login_name"], account["balance"]) == ("anna", 150)


def test_each_list_is_json_and_what_is_created_twice_is_there_once(shop: AdminProgram) -> None:
    shop.run("terminals", "create", "till-1", "--merchant", "shop")
    shop.run("terminals", "create", "till-1", "--merchant", "shop")
    shop.succeed("terminals", "revoke", "till-1")

    assert [row["state"] for row in shop.rows("terminals", "list")] == ["REVOKED"]
    assert "shop" in {row["merchant_id"] for row in shop.rows("merchants", "list")}
    assert "concert" in {row["event_id"] for row in shop.rows("events", "list")}
    assert "stamps" in {row["programme_id"] for row in shop.rows("programmes", "list")}
    names = {row["login_name"] for row in shop.rows("customers", "list")}
    assert names == {"anna", "bert", "cora"}
    assert shop.rows("processes", "list") == shop.rows("unresolved", "list") == []
    sequences = [row["sequence"] for row in shop.rows("journal", "list", "--limit", "0")]
    assert sequences == list(range(1, len(sequences) + 1))


def test_refusals_of_the_server_are_told_in_its_words(shop: AdminProgram) -> None:
    other = shop.run("merchants", "create", "shop", "--name", "Another shop")
    missing = shop.run("events", "create", "fair", "--merchant", "nobody", "--name", "Fair")
    out_of_bounds = shop.run("policy", "set", "--code-life-seconds", "0")

    assert [each.exit_code for each in (other, missing, out_of_bounds)] == [1, 1, 1]
    assert "other content" in other.stderr
    assert "There is no such merchant" in missing.stderr
    assert "policy.code_life_seconds: must be" in out_of_bounds.stderr


def test_a_policy_that_is_set_is_in_force(shop: AdminProgram) -> None:
    shop.succeed(
        *("policy", "set", "--code-life-seconds", "3", "--password-rule", "always"),
        *("--bind-money-from", "0", "--new-terminal-sum-max", "0"),
    )

    policy = shop.rows("policy", "show")
    assert (policy["code_life_seconds"], policy["password_rule"]) == (3, "ALWAYS")
    assert (policy["bind_money_from"], policy["new_terminal_sum_max"]) == (0, 0)
    shop.succeed("policy", "set", "--bind-money-from", "none")
    assert shop.rows("policy", "show")["bind_money_from"] is None


@pytest.mark.parametrize(
    ("settlement", "state"), [("executed", "COMPLETED"), ("not-executed", "RELEASED")]
)
def test_a_process_that_nobody_reported_is_settled_by_a_person(
    background: Background[World], shop: AdminProgram, settlement: str, state: str
) -> None:
    async def let_a_sale_become_overdue() -> str:
        made = background.server
        phone = await made.add_phone("dora")
        till = await made.add_terminal("till-2", "cafe")
        earn = action_pb2.Action(earn_points=action_pb2.EarnPointsAction(points=5))
        process = await till.resolve(await phone.issue(), earn)
        await made.pass_time(seconds=61)
        return str(process.process_id)

    process_id = background.run(let_a_sale_become_overdue())

    (unresolved,) = shop.rows("unresolved", "list")
    assert (unresolved["process_id"], unresolved["state"]) == (process_id, "OVERDUE")
    assert "earn points 5" in shop.succeed("unresolved", "list")
    shop.succeed("unresolved", "settle", process_id, settlement, "--note", "The till roll says so.")
    assert shop.rows("unresolved", "list") == []
    assert [row["state"] for row in shop.rows("processes", "list")] == [state]


def test_a_charge_that_the_institution_does_not_take_is_shown_and_settled_by_a_person(
    background: Background[World], shop: AdminProgram
) -> None:
    async def sell() -> str:
        opened = await open_shop(background.server)
        process = await opened.scan(charge(CAPTURE_REFUSED))
        await opened.till.complete(process.process_id)
        await opened.world.settle()
        return process.process_id

    process_id = background.run(sell())
    note = "The institution has taken it on the telephone."
    settle = ("unresolved", "settle", process_id, "executed", "--note", note)

    (row,) = shop.rows("unresolved", "list")
    (question,) = row["questions"]
    assert (question["kind"], question["institution_said"]) == ("CAPTURE", "REFUSED")
    table = shop.succeed("unresolved")
    assert f"{process_id}-0: REFUSED (try 1)" in table
    assert "try-again, or have it taken by hand and settle as executed" in table
    told = shop.succeed("unresolved", "try-again", "--note", "They say it works now.")
    assert told == "Processes about which the institution is told again: 1.\n"
    background.run(background.server.settle())
    assert len(shop.rows("unresolved", "list")) == 1, "it refuses again"
    difference = shop.run("reconcile", "--day", DAY)
    assert (difference.exit_code, "STATE" in difference.stdout) == (1, True)
    assert shop.succeed(*settle) == shop.succeed(*settle)
    assert shop.rows("unresolved", "list") == []
    settled = [row for row in shop.rows("journal", "list") if row["command"] == "SettleProcess"]
    again, facts = [json.loads(row["payload"]) for row in settled]
    assert again["settled_as_executed"] is None
    assert facts["settled_as_executed"] is True
    assert facts["note_sha256"] == sha256(note.encode()).hexdigest()


def test_a_certificate_is_renewed_and_both_keys_may_call(shop: AdminProgram) -> None:
    path = shop.home / "operator.json"
    before = path.read_text()
    shop.succeed("status")
    path.write_text(re.sub('"renew_at": "20..', '"renew_at": "1999', before))

    row = shop.rows("status")

    assert row["is_accepted"]
    assert json.loads(path.read_text())["identity"] != json.loads(before)["identity"]
    path.write_text(before)
    assert shop.rows("status")["is_accepted"]


def test_an_operator_is_shut_out_by_another_and_let_in_under_another_id(
    background: Background[World], shop: AdminProgram
) -> None:
    async def revoke() -> None:
        request = contract.RevokeOperatorRequest(operator_id="second")
        await background.server.operator.call("RevokeOperator", request)

    shop.code_file = shop.folder / "third.code"
    shop.succeed("operators", "create", "third", "--code-file", shop.code_file)
    background.run(revoke())
    shut_out = shop.run("merchants", "list")
    let_in = shop.run(
        *("init", "--server", shop.address, "--enrolment-code-file", shop.code_file, "--replace")
    )

    assert shut_out.exit_code == 1
    assert "you were revoked" in shut_out.stderr
    assert "You are operator third" in let_in.stdout
    rows = shop.rows("operators", "list")
    assert {row["operator_id"]: row["revoked"] for row in rows} == {
        "first": False,
        "second": True,
        "third": False,
    }
    assert "cannot revoke yourself" in shop.run("operators", "revoke", "third").stderr


def test_a_terminal_is_revoked_and_enrols_once_more(
    background: Background[World], shop: AdminProgram
) -> None:
    terminal = background.run(background.server.add_terminal("till-2", "shop"))
    shop.succeed("terminals", "revoke", "till-2")
    path = shop.folder / "till-2.code"

    shop.succeed("terminals", "reenroll", "till-2", "--code-file", path)

    enrolment = EnrolmentFile.parse(path.read_text())
    assert enrolment.enrolment_code == shop.succeed("terminals", "reenroll", "till-2").strip()
    assert enrolment.ca_certificates_pem == background.server.ca_pem.strip()
    again = background.run(background.server.enrol_terminal(enrolment.enrolment_code))
    assert again.identity != terminal.identity
    assert [row["state"] for row in shop.rows("terminals", "list")] == ["ENROLLED"]


def test_a_lost_phone_is_cut_off_and_another_one_invited(
    background: Background[World], shop: AdminProgram
) -> None:
    (phone,) = shop.rows("customers", "devices", "anna")

    shop.succeed("customers", "revoke-device", "anna", phone["device_id"])
    invitation = shop.succeed("customers", "invite", "anna").strip()

    async def add_phone() -> str:
        request = add_device_request("anna", DevicePrivateKey.generate(), invitation=invitation)
        someone = await background.server.add_phone("dora")
        return str((await someone.call("AddDevice", request)).device_id)

    device_id = background.run(add_phone())
    assert [row["device_id"] for row in shop.rows("customers", "devices", "anna")] == [device_id]
    assert shop.succeed("customers", "unlock", "anna").startswith("0 wrong passwords")


def test_the_keys_are_followed_and_given_up(shop: AdminProgram) -> None:
    before = shop.rows("keys", "list")
    assert {row["kind"] for row in before} == {"SIGNING", "CELLS", "TLS"}
    (signing,) = (row for row in before if row["kind"] == "SIGNING")
    assert signing["public_key"]["algorithm"] == "ED25519"

    for kind in ("signing", "cells", "tls"):
        assert f"of kind {kind} is in use" in shop.succeed("keys", "rotate", kind)
    shop.succeed("keys", "revoke", str(signing["key_id"]), "--note", "The backup was stolen.")

    after = shop.rows("keys", "list")
    in_use = [(row["kind"], row["key_id"]) for row in after if row["in_use"]]
    assert len(in_use) == 3
    assert ("SIGNING", signing["key_id"]) not in in_use


def test_the_journal_is_exported_and_verified_with_a_checkpoint(shop: AdminProgram) -> None:
    checkpoint, journal = shop.folder / "kept.checkpoint", shop.folder / "journal.jsonl"
    shop.succeed("audit", "checkpoint", "--out", checkpoint)
    shop.succeed("merchants", "create", "other-shop", "--name", "Another shop")

    shop.succeed("audit", "export", journal)

    sources: tuple[tuple[str | Path, ...], ...] = ((), ("--journal", journal))
    for source in sources:
        assert "They fit the checkpoint of entry" in shop.succeed(
            "audit", "verify", *source, "--checkpoint", checkpoint
        )
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([*lines[:3], lines[3].replace("operator", "terminal"), *lines[4:]]))
    changed = shop.run("audit", "verify", "--journal", journal, "--checkpoint", checkpoint)
    assert changed.exit_code == 1
    assert "entry 4: edited" in changed.stdout
