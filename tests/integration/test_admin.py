from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.v1 import operator_service_pb2 as contract
from tallymark.v1 import process_pb2
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble

PROCESS_ID = "00" + "1f" * 16

LISTS = (
    "operators",
    "merchants",
    "terminals",
    "events",
    "programmes",
    "bills",
    "tickets",
    "points",
    "customers",
    "keys",
    "processes",
    "unresolved",
    "journal",
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[AdminOfDouble]:
    service = OperatorServiceDouble(customers=["anna", "bert"])
    with served(service) as server:
        admin = AdminOfDouble(tmp_path, server)
        admin.set_up_shop()
        yield admin


def fill(shop: AdminOfDouble) -> None:
    """Leave something to show in every list."""
    service = shop.server.service
    shop.succeed("terminals", "create", "till-1", "--merchant", "shop")
    shop.succeed(
        *("bills", "add", "--merchant-id", "shop", "--bill-reference", "B-1", "--login-name"),
        *("anna", "--amount", "12.50", "--currency-code", "EUR"),
    )
    shop.succeed(
        "tickets", "add", "--event-id", "concert", "--ticket-id", "A-1", "--login-name", "anna"
    )
    shop.succeed(
        *("points", "add", "--programme-id", "stamps", "--login-name", "anna"),
        *("--grant-reference", "welcome", "--points", "100"),
    )
    overdue = process_pb2.Process(process_id=PROCESS_ID, state=process_pb2.PROCESS_STATE_OVERDUE)
    service.processes[PROCESS_ID,] = overdue
    service.unresolved.add(PROCESS_ID)
    service.journal = [
        contract.JournalEntry(sequence=number, command="ResolveCode") for number in range(1, 451)
    ]


@pytest.mark.parametrize("name", LISTS)
def test_each_list_is_a_table_and_json(shop: AdminOfDouble, name: str) -> None:
    fill(shop)

    table = shop.succeed(name, "list")
    rows = shop.rows(name, "list")

    assert rows
    assert "\x1b" not in table
    assert len(table.splitlines()) > len(rows)


@pytest.mark.parametrize("name", ["bills", "tickets", "points", "processes", "journal"])
def test_an_empty_list_says_so_and_is_still_json(shop: AdminOfDouble, name: str) -> None:
    result = shop.run(name, "list")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There are none.\n")
    assert shop.rows(name, "list") == []


def test_a_list_of_several_pages_is_shown_whole(shop: AdminOfDouble) -> None:
    service = shop.server.service
    service.customers = {f"customer-{number:03}" for number in range(450)}

    names = [row["login_name"] for row in shop.rows("customers", "list")]

    assert names == sorted(service.customers)


def test_a_long_list_is_cut_where_asked_and_says_so(shop: AdminOfDouble) -> None:
    fill(shop)

    result = shop.run("journal", "list", "--after", "5", "--limit", "210", "--json")
    rest = shop.rows("journal", "list", "--limit", "0")

    assert "Only the first 210 are shown. --limit 0 shows all." in result.stderr
    assert '"sequence": 6' in result.stdout
    assert '"sequence": 216' not in result.stdout
    assert len(rest) == 450


def test_a_table_shows_amounts_and_hides_nothing_in_a_pipe(shop: AdminOfDouble) -> None:
    description = "For everything that was bought on that long afternoon in the old town " * 2
    shop.succeed(
        *("bills", "add", "--merchant-id", "shop", "--bill-reference", "B-1", "--login-name"),
        *("anna", "--amount", "12.5", "--currency-code", "EUR", "--description", description),
    )

    table = shop.succeed("bills", "list")

    assert "12.50 EUR" in table
    assert "OPEN" in table
    assert description.strip() in table


def test_a_bill_is_added_once(shop: AdminOfDouble) -> None:
    command = (
        *("bills", "add", "--merchant-id", "shop", "--bill-reference", "B-1"),
        *("--login-name", "anna", "--currency-code", "EUR", "--amount"),
    )

    assert shop.succeed(*command, "12.50") == "Added.\n"
    assert shop.succeed(*command, "12.5") == "Unchanged: it was there already.\n"
    refused = shop.run(*command, "12.51")
    assert refused.exit_code == 1
    assert "other content" in refused.stderr


def test_options_of_a_single_row_follow_the_rules_of_a_file(shop: AdminOfDouble) -> None:
    result = shop.run(
        *("bills", "add", "--merchant-id", "shop", "--bill-reference", "B-1"),
        *("--login-name", "anna", "--currency-code", "EUR", "--amount", "12,50"),
    )

    assert result.exit_code == 2
    assert "--amount: Write the amount with digits and a point" in result.stderr


def test_a_process_is_settled_by_a_person(shop: AdminOfDouble) -> None:
    fill(shop)

    settle = ("unresolved", "settle", PROCESS_ID, "executed", "--note", "Till roll says paid.")
    printed = shop.succeed(*settle)

    assert printed == f"Process {PROCESS_ID} is COMPLETED.\n"
    assert shop.rows("unresolved", "list") == []
    again = shop.run(*settle)
    assert again.exit_code == 1
    assert "needs no settling" in again.stderr


def test_a_terminal_is_revoked(shop: AdminOfDouble) -> None:
    fill(shop)

    shop.succeed("terminals", "revoke", "till-1")

    assert [row["state"] for row in shop.rows("terminals", "list")] == ["REVOKED"]
