from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.v1 import policy_pb2
from tallymark_admin.policy_options import POLICY_FIELDS, PolicyField
from tallymark_admin.server_connection import OperatorConnection
from tests.doubles.operator_server import served
from tests.doubles.operator_service import DEFAULT_POLICY, OperatorServiceDouble

from .admin_program import AdminOfDouble


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble()) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        yield admin


def option_of(field: PolicyField) -> str:
    return "--" + field.name.replace("_", "-")


def test_a_policy_is_changed_where_asked(admin: AdminOfDouble) -> None:
    printed = admin.succeed(
        *("policy", "set", "--code-life-seconds", "3", "--password-rule", "always"),
        *("--confirm-admission", "yes", "--bind-money-from", "20000"),
    )

    assert printed.splitlines() == [
        "code_life_seconds: 60 -> 3",
        "confirm_admission: no -> yes",
        "password_rule: NEVER -> ALWAYS",
        "bind_money_from: none -> 20000",
        "Policy version 2 is in force.",
    ]
    policy = admin.rows("policy", "show")
    assert (policy["version"], policy["code_life_seconds"]) == (2, 3)
    assert policy["execute_within_seconds"] == 60
    assert "code_life_seconds         3\n" in admin.succeed("policy", "show")


def test_a_number_that_may_be_left_out_is_set_to_zero_and_unset(admin: AdminOfDouble) -> None:
    always = admin.succeed("policy", "set", "--bind-money-from", "0")
    shown = admin.rows("policy", "show")["bind_money_from"]
    never = admin.succeed("policy", "set", "--bind-money-from", "none")

    assert "bind_money_from: none -> 0" in always
    assert shown == 0
    assert "bind_money_from: 0 -> none" in never
    assert not admin.server.service.policy.HasField("bind_money_from")
    assert admin.rows("policy", "show")["bind_money_from"] is None
    assert "bind_money_from           none\n" in admin.succeed("policy", "show")


def test_each_value_of_the_policy_has_an_option_and_is_explained(admin: AdminOfDouble) -> None:
    in_the_contract = {field.name for field in policy_pb2.Policy.DESCRIPTOR.fields}
    text = admin.succeed("policy", "set", "--help")

    assert {field.name for field in POLICY_FIELDS} == in_the_contract - {"version"}
    for field in POLICY_FIELDS:
        assert option_of(field) in text
        assert field.meaning.split()[0] in text


@pytest.mark.parametrize("field", POLICY_FIELDS, ids=lambda field: field.name)
def test_each_value_of_the_policy_can_be_set(admin: AdminOfDouble, field: PolicyField) -> None:
    before = admin.rows("policy", "show")[field.name]
    written = {"password_rule": "always", "confirm_admission": "yes"}.get(field.name, "61")

    admin.succeed("policy", "set", option_of(field), written)

    after = admin.rows("policy", "show")[field.name]
    assert after != before
    assert str(after) in {"61", "ALWAYS", "True"}


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (["--code-life", "3"], "No such option"),
        (["--version", "3"], "No such option"),
        (["--code-life-seconds", "soon"], "Write a whole number"),
        (["--code-life-seconds", "none"], "Write a whole number"),
        (["--code-life-seconds", "-1"], "Write a whole number"),
        (["--bind-money-from", "never"], "Write a whole number, digits only, or none"),
        (["--confirm-admission", "perhaps"], "'yes', 'no'"),
        (["--password-rule", "sometimes"], "'never', 'general-codes', 'always'"),
    ],
)
def test_a_wrong_policy_is_not_sent(admin: AdminOfDouble, change: list[str], advice: str) -> None:
    result = admin.run("policy", "set", "--execute-within-seconds", "90", *change)

    assert result.exit_code == 2
    assert advice in result.stderr
    assert admin.rows("policy", "show")["version"] == 1


def test_a_policy_is_not_set_without_a_change(admin: AdminOfDouble) -> None:
    result = admin.run("policy", "set")

    assert result.exit_code == 2
    assert "Name at least one value" in result.stderr


def test_bounds_are_those_of_the_server(admin: AdminOfDouble) -> None:
    result = admin.run("policy", "set", "--tag-life-seconds", "9")

    assert result.exit_code == 1
    assert "policy.tag_life_seconds: must be" in result.stderr


def test_a_policy_changed_by_somebody_else_meanwhile_is_told_and_left_alone(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = admin.server.service
    read = OperatorConnection.policy

    async def read_and_be_overtaken(connection: OperatorConnection) -> object:
        row = await read(connection)
        service.policy = type(DEFAULT_POLICY)()
        service.policy.CopyFrom(DEFAULT_POLICY)
        service.policy.version, service.policy.code_life_seconds = 2, 30
        return row

    monkeypatch.setattr(OperatorConnection, "policy", read_and_be_overtaken)
    result = admin.run("policy", "set", "--code-life-seconds", "3")

    assert result.exit_code == 1
    assert "Somebody else changed the policy just now; nothing was set." in result.stderr
    assert service.policy.code_life_seconds == 30
