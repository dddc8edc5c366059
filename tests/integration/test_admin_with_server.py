from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tallymark.v1 import action_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tests.doubles.background import Background, in_background
from tests.world.world import World, world

from .admin_program import AdminProgram
from .test_admin_imports import BAD_BILLS, thousand_lines_with_seven_bad


@asynccontextmanager
async def world_on_disk(folder: Path) -> AsyncIterator[World]:
    store = await SqliteStore.open(folder / "tallymark.sqlite3")
    try:
        async with world(store, Keyring.open(folder / "keys")) as made:
            yield made
    finally:
        await store.close()


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Background[World]]:
    with in_background(world_on_disk(tmp_path / "data")) as background:
        yield background


@pytest.fixture
def shop(background: Background[World], tmp_path: Path) -> AdminProgram:
    async def prepare() -> str:
        for login_name in ("anna", "bert", "cora"):
            await background.server.add_phone(login_name)
        request = contract.CreateOperatorRequest(operator_id="second")
        answer = await background.server.operator.call("CreateOperator", request)
        return str(answer.enrolment_code)

    address = f"127.0.0.1:{background.server.app.operator_port}"
    admin = AdminProgram(tmp_path, address=address, enrolment_code=background.run(prepare()))
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
    assert [row["public_key"]["algorithm"] for row in shop.rows("keys", "list")] == ["ED25519"]
    assert shop.rows("processes", "list") == shop.rows("unresolved", "list") == []
    sequences = [row["sequence"] for row in shop.rows("journal", "list", "--limit", "0")]
    assert sequences == list(range(1, len(sequences) + 1))


def test_refusals_of_the_server_are_told_in_its_words(shop: AdminProgram) -> None:
    other = shop.run("merchants", "create", "shop", "--name", "Another shop")
    missing = shop.run("events", "create", "fair", "--merchant", "nobody", "--name", "Fair")
    out_of_bounds = shop.run("policy", "set", "code_life_seconds=0")

    assert [each.exit_code for each in (other, missing, out_of_bounds)] == [1, 1, 1]
    assert "other content" in other.stderr
    assert "There is no such merchant" in missing.stderr
    assert "policy.code_life_seconds: must be" in out_of_bounds.stderr


def test_a_policy_that_is_set_is_in_force(shop: AdminProgram) -> None:
    shop.succeed("policy", "set", "code_life_seconds=3", "password_rule=always")

    policy = shop.rows("policy", "show")
    assert (policy["code_life_seconds"], policy["password_rule"]) == (3, "ALWAYS")


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
