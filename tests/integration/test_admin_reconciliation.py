"""`tallymark-admin reconcile` against a double: what it prints, and how it ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.v1 import action_pb2, credit_institution_service_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tests.doubles.operator_server import served
from tests.doubles.operator_service import OperatorServiceDouble
from tests.integration.admin_program import AdminOfDouble
from tests.world.messages import euro


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble(customers=[])) as server:
        admin = AdminOfDouble(tmp_path, server)
        admin.set_up_shop()
        yield admin


def differing() -> contract.ReconcileDayResponse:
    return contract.ReconcileDayResponse(
        differences=[
            contract.ChargeDifference(
                kind=contract.CHARGE_DIFFERENCE_KIND_AMOUNT,
                authorisation_id="a-0",
                process_id="a",
                settlement_here=action_pb2.SETTLEMENT_SETTLED,
                amount_here=euro(420),
                state_there=credit_institution_service_pb2.AUTHORIZATION_STATE_CAPTURED,
                amount_there=euro(840),
            )
        ],
        compared=12,
        lasting=1,
        under_way=2,
        sums_here=[euro(420)],
        sums_there=[euro(840)],
    )


def test_differences_are_a_table_and_the_exit_code_says_that_there_are_some(
    shop: AdminOfDouble,
) -> None:
    shop.server.service.reconciliation = differing()

    result = shop.run("reconcile", "--day", "2026-11-22")

    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if "a-0" in line]
    assert line.split() == [
        *("AMOUNT", "no", "a-0", "a", "SETTLED", "4.20", "EUR", "CAPTURED", "8.40", "EUR")
    ]
    assert "12 charges compared: 1 differ, 2 are under way." in result.stderr
    assert "4.20 EUR here, 8.40 EUR at the institution" in result.stderr
    assert shop.server.service.reconciled_days == ["2026-11-22T00:00:00"]


def test_differences_are_json_for_programs(shop: AdminOfDouble) -> None:
    shop.server.service.reconciliation = differing()

    (row,) = json.loads(shop.run("reconcile", "--day", "2026-11-22", "--json").stdout)

    assert row["kind"] == "AMOUNT"
    assert row["amount_there"] == {"currency_code": "EUR", "minor_units": 840}


def test_a_day_without_differences_ends_with_0_though_some_are_under_way(
    shop: AdminOfDouble,
) -> None:
    shop.server.service.reconciliation = contract.ReconcileDayResponse(compared=3, under_way=1)

    result = shop.run("reconcile", "--day", "2026-11-22")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing here, nothing at the institution" in result.stderr


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "22.11.2026"])
def test_a_day_is_a_date(shop: AdminOfDouble, day: str) -> None:
    assert shop.run("reconcile", "--day", day).exit_code == 2
