import json

import pytest

from tallymark.v1 import action_pb2, key_pb2, merchant_pb2, policy_pb2, process_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark_admin import listings
from tallymark_admin.open_questions import institution_of, next_steps_of, reasons_of
from tallymark_admin.plain import Row, UnknownName, from_row, to_row
from tallymark_admin.tables import TableColumn
from tallymark_admin.terminal_text import printable


def cells_of(columns: tuple[TableColumn, ...], row: Row) -> dict[str, str]:
    return {column.title: column.cell(row) for column in columns}


def overdue_process() -> process_pb2.Process:
    process = process_pb2.Process(
        process_id="00" * 17, state=process_pb2.PROCESS_STATE_OVERDUE, disputed=True
    )
    process.created_at.FromJsonString("2026-05-01T16:00:00.250Z")
    charge = process.actions.add(settlement=action_pb2.SETTLEMENT_MANUAL)
    charge.action.charge.remainder.SetInParent()
    charge.instruction.charge.amount.currency_code = "EUR"
    charge.instruction.charge.amount.minor_units = 420
    process.actions.add().action.earn_points.points = 5
    bill = process.actions.add().action.pay_bill
    bill.bill_reference = "B-17"
    process.actions.add().action.admit.event_id = "concert"
    process.actions.add().action.read_points.SetInParent()
    return process


def test_a_message_becomes_plain_values() -> None:
    key = key_pb2.VerificationKey(
        key_id=7,
        public_key=key_pb2.PublicKey(
            algorithm=key_pb2.KEY_ALGORITHM_ED25519, key_bytes=b"\x01\xff"
        ),
    )
    key.valid_from.FromJsonString("2026-05-01T16:00:00Z")

    assert to_row(key) == {
        "key_id": 7,
        "public_key": {"algorithm": "ED25519", "key_bytes": "01ff"},
        "valid_from": "2026-05-01T16:00:00Z",
        "valid_until": None,
    }


def test_a_choice_shows_only_what_was_chosen() -> None:
    (charge, *_) = overdue_process().actions

    assert to_row(charge.action) == {"charge": {"remainder": {}}}


def test_a_row_is_json_without_loss() -> None:
    row = to_row(overdue_process())

    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize(
    ("state", "name"),
    [(3, "REVOKED"), (0, None), (99, "99")],
)
def test_an_enum_is_its_name_even_from_a_newer_server(
    state: "merchant_pb2.TerminalState.ValueType", name: str | None
) -> None:
    assert to_row(merchant_pb2.Terminal(state=state))["state"] == name


@pytest.mark.parametrize("name", ["GENERAL_CODES", "general-codes", "General_Codes"])
def test_a_policy_goes_back_as_it_came(name: str) -> None:
    policy = policy_pb2.Policy(
        version=3, confirm_admission=True, password_rule=policy_pb2.PASSWORD_RULE_GENERAL_CODES
    )

    row = to_row(policy) | {"password_rule": name}

    assert from_row(row, policy_pb2.Policy()) == policy


@pytest.mark.parametrize("amount", [None, 0, 5000])
def test_an_optional_value_goes_back_as_it_came_even_when_it_is_unset(amount: int | None) -> None:
    policy = policy_pb2.Policy(password_rule=policy_pb2.PASSWORD_RULE_NEVER, bind_money_from=amount)

    row = to_row(policy)

    assert row["bind_money_from"] == amount
    again = from_row(row, policy_pb2.Policy())
    assert again.HasField("bind_money_from") is (amount is not None)
    assert again == policy


@pytest.mark.parametrize("name", ["SOMETIMES", "UNSPECIFIED", ""])
def test_an_unknown_name_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownName, match="NEVER, GENERAL_CODES, ALWAYS"):
        from_row({"password_rule": name}, policy_pb2.Policy())


def test_an_unresolved_process_says_what_it_did_and_what_is_open() -> None:
    questions = [
        contract.OpenQuestion(kind=contract.OPEN_QUESTION_KIND_OVERDUE),
        contract.OpenQuestion(
            kind=contract.OPEN_QUESTION_KIND_REVERSAL,
            authorisation_id="a-0",
            institution_said="REFUSED",
            tries=6,
        ),
    ]
    row = to_row(overdue_process())
    row["questions"] = [to_row(one) for one in questions]
    cells = cells_of(listings.UNRESOLVED, row)

    assert cells["created_at"] == "2026-05-01T16:00:00Z"
    assert cells["execute_by"] == ""
    assert cells["actions"] == (
        "charge 4.20 EUR, earn points 5, pay bill B-17, admit concert, read points"
    )
    assert cells["why"] == (
        "the terminal did not say whether it did it; the institution does not give the amount back"
    )
    assert cells["institution"] == "a-0: REFUSED (try 6)"
    assert cells["next_step"].startswith("ask the merchant whether the goods are gone")


def test_a_question_of_a_newer_server_is_told_as_one() -> None:
    row: Row = {"questions": [{"kind": "99", "authorisation_id": ""}]}

    assert reasons_of(row) == "a newer server says why"
    assert next_steps_of(row) == "update this program"
    assert institution_of(row) == ""


def test_an_amount_of_a_damaged_currency_is_still_shown() -> None:
    row: Row = {
        "programme_id": "stamps",
        "name": "Stamps",
        "point_value": {"currency_code": "eur", "minor_units": 1},
        "earn_points_max": 10,
    }

    assert cells_of(listings.PROGRAMMES, row)["point_value"] == "1 eur"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("G\u00e4ste \u4e2d", "G\u00e4ste \u4e2d"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\x9b", r"a\nb\x9b"),
        ("\u202eevil", r"\u202eevil"),
    ],
)
def test_what_steers_a_terminal_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown
