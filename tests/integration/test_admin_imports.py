import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark_admin.calls import open_channel
from tallymark_admin.home import Home
from tallymark_admin.rows import BillRow, RowResult
from tallymark_admin.server_connection import OperatorConnection
from tests.doubles.operator_server import Lost, served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble

BILLS_HEADER = "merchant_id,bill_reference,login_name,amount,currency_code,description,due_on"

BAD_BILLS = {
    100: ("shop,B-100,anna,12.505,EUR,,", 'amount "12.505": EUR has at most 2 digits'),
    200: ("shop,B-200,anna,12.50,EUR", "Give it 7 fields as the header has; it has 5."),
    300: ("shop,B-300,nobody,12.50,EUR,,", 'login_name "nobody": There is no customer'),
    400: ("shop,B-400,anna,12.50,EUR,\"five o'clock,", "Correct the quotes"),
    401: ("kiosk,B-401,anna,12.50,EUR,,", 'merchant_id "kiosk": There is no such merchant'),
    402: ("shop,B-402,anna,12.50,EUR,,2026-02-30", 'due_on "2026-02-30": There is no such day'),
    999: ("shop,B-1,anna,99.00,EUR,,", 'bill_reference "B-1": This id is in use'),
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[AdminOfDouble]:
    service = OperatorServiceDouble(customers=["anna", "bert", "cora"])
    with served(service) as server:
        admin = AdminOfDouble(tmp_path, server)
        admin.set_up_shop()
        yield admin


def bill_lines(count: int) -> list[str]:
    customers = ("anna", "bert", "cora")  # nobody has more bills than a server takes
    return [
        f'shop,B-{n},{customers[n % 3]},{n}.50,EUR,"Rent, part {n}",2026-05-01'
        for n in range(count)
    ]


def thousand_lines_with_seven_bad() -> list[str]:
    lines = bill_lines(1000)
    for number, (line, _) in BAD_BILLS.items():
        lines[number] = line
    return [BILLS_HEADER, *lines]


def test_good_lines_are_kept_and_each_bad_one_is_told(shop: AdminOfDouble) -> None:
    path = shop.write("bills.csv", *thousand_lines_with_seven_bad())

    result = shop.run("bills", "import", path)

    assert result.exit_code == 1
    assert result.stdout == f"{path}: 1000 lines: 993 added, 0 unchanged, 7 bad.\n"
    told = result.stderr.splitlines()
    assert len(told) == len(BAD_BILLS)
    for (number, (_, advice)), line in zip(BAD_BILLS.items(), told, strict=True):
        assert line.startswith(f"line {number + 2}")
        assert advice in line
    assert len(shop.server.service.bills) == 993
    assert max(shop.server.service.rows_per_call) <= 400


def test_a_second_import_changes_nothing(shop: AdminOfDouble) -> None:
    path = shop.write("bills.csv", *thousand_lines_with_seven_bad())
    shop.run("bills", "import", path)
    before = shop.rows("bills", "list")

    result = shop.run("bills", "import", path)

    assert "0 added, 993 unchanged, 7 bad." in result.stdout
    assert shop.rows("bills", "list") == before


def test_corrected_bad_lines_complete_the_import(shop: AdminOfDouble) -> None:
    path = shop.write("bills.csv", *thousand_lines_with_seven_bad())
    errors = shop.folder / "errors.csv"
    shop.run("bills", "import", path, "--errors", errors)

    with errors.open(newline="") as file:
        rows = list(csv.reader(file))
    assert [int(row[0]) for row in rows[1:]] == [number + 2 for number in BAD_BILLS]
    good = [f"{n},,,shop,B-{n},bert,1.00,EUR,," for n in BAD_BILLS]
    corrected = shop.write("corrected.csv", ",".join(rows[0]), *good)

    assert "7 added, 0 unchanged, 0 bad." in shop.succeed("bills", "import", corrected)


def test_an_import_without_bad_lines_leaves_an_errors_file_with_the_header_only(
    shop: AdminOfDouble,
) -> None:
    path = shop.write("bills.csv", BILLS_HEADER, *bill_lines(2)[1:])
    errors = shop.folder / "errors.csv"

    shop.succeed("bills", "import", path, "--errors", errors)

    assert errors.read_text() == f"error_line,error_column,error,{BILLS_HEADER}\n"


def test_the_errors_file_never_replaces_the_imported_file(shop: AdminOfDouble) -> None:
    path = shop.write("bills.csv", BILLS_HEADER, *bill_lines(2))
    before = path.read_text()

    assert shop.run("bills", "import", path, "--errors", path).exit_code == 2
    assert path.read_text() == before


def test_a_dry_run_sends_nothing_and_needs_no_server(shop: AdminOfDouble) -> None:
    path = shop.write("bills.csv", BILLS_HEADER, *bill_lines(3))
    calls_before = shop.server.guard.calls

    printed = shop.succeed("bills", "import", path, "--dry-run")

    assert printed == f"{path}: 3 lines: 3 of the right form, 0 bad. Nothing sent.\n"
    assert shop.server.guard.calls == calls_before


def test_a_wrong_header_is_one_clear_error(shop: AdminOfDouble) -> None:
    path = shop.write("bills.csv", BILLS_HEADER.replace("amount", "total"), *bill_lines(3))

    result = shop.run("bills", "import", path)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "The header in line 1 is wrong (missing: amount; not known: total)" in result.stderr


def test_tickets_with_days_are_read_in_the_zone_that_is_named(shop: AdminOfDouble) -> None:
    path = shop.write(
        "tickets.csv",
        "event_id;ticket_id;login_name;entries;valid_from;valid_until;place",
        "concert;A-1;anna;2;2026-05-01;2026-05-02;Block B, row 4",
        "concert;A-2;anna;;2026-05-01T18:00+02:00;;",
    )

    assert shop.run("tickets", "import", path).exit_code == 1
    shop.succeed("tickets", "import", path, "--time-zone", "UTC")

    first, second = shop.rows("tickets", "list")
    assert (first["valid_from"], first["valid_until"]) == (
        "2026-05-01T00:00:00Z",
        "2026-05-03T00:00:00Z",
    )
    assert (first["entries"], first["place"]) == (2, "Block B, row 4")
    assert (second["entries"], second["valid_from"]) == (1, "2026-05-01T16:00:00Z")
    assert second["valid_until"] is None


def test_points_of_one_reference_are_added_once(shop: AdminOfDouble) -> None:
    path = shop.write(
        "points.csv",
        "programme_id,login_name,grant_reference,points",
        "stamps,anna,welcome,100",
        "stamps,anna,birthday,50",
    )

    shop.succeed("points", "import", path)
    shop.succeed("points", "import", path)

    (account,) = shop.rows("points", "list")
    assert account["balance"] == 150


def test_an_import_that_breaks_off_says_how_far_it_came_and_is_run_again(
    shop: AdminOfDouble,
) -> None:
    path = shop.write("bills.csv", BILLS_HEADER, *bill_lines(900))
    shop.server.guard.fates = [None, Lost()]

    result = shop.run("bills", "import", path)

    assert result.exit_code == 3
    assert "The import stopped after line 401: 400 added, 0 unchanged, 0 bad." in result.stderr
    again = shop.succeed("bills", "import", path)
    assert "100 added, 800 unchanged, 0 bad." in again


async def test_rows_that_break_the_contract_are_taken_out_and_the_others_added(
    shop: AdminOfDouble,
) -> None:
    rows = [
        BillRow(
            merchant_id=merchant_id,
            bill_reference=f"B-{number}",
            login_name="anna",
            currency_code="EUR",
            minor_units=100,
            description="",
            due_on="",
        )
        for number, merchant_id in enumerate(["shop", "Not an id", "shop", ""])
    ]

    home = Home(shop.home)
    identity = home.identity(home.operator())
    async with open_channel(
        shop.server.operator_address,
        ca_certificates_pem=identity.ca_certificates_pem,
        client=identity.client,
    ) as channel:
        outcomes = await OperatorConnection(channel).rows.add_bills(rows)

    assert [outcome.result for outcome in outcomes] == [
        RowResult.ADDED,
        RowResult.REFUSED,
        RowResult.ADDED,
        RowResult.REFUSED,
    ]
    assert outcomes[1].message.startswith("merchant_id: ")
