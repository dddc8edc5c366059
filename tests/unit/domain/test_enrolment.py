"""Who may call: enrolment codes are good once, and keys are on the list or they are not."""

from typing import Any

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import CertificateAnswer, RowAnswer
from tallymark_server.domain.commands import (
    Caller,
    CreateOperator,
    CreateTerminal,
    Enrol,
    ReenrolTerminal,
    RenewCertificate,
    RevokeOperator,
    RevokeTerminal,
)
from tallymark_server.domain.enrolment import KEYS_MAX
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import (
    CallerKind,
    CertifiedKey,
    Credential,
    Operator,
    Terminal,
    TerminalState,
)
from tests.unit.domain.runner import reason_of
from tests.unit.domain.small_world import OPERATOR, SmallWorld

NEW, KNOWN = RowAnswer(is_new=True), RowAnswer(is_new=False)

LIFE_MILLISECONDS = 72 * 3600 * 1000


def by_operator(kind: type[Any], **fields: Any) -> Any:
    return kind(caller=OPERATOR, partition=DIRECTORY, **fields)


def create(terminal_id: str = "till-9", merchant_id: str = "cafe") -> Any:
    return by_operator(
        CreateTerminal, terminal_id=terminal_id, merchant_id=merchant_id, code_hash="code-0"
    )


def reenrol(generation: int, terminal_id: str = "till-9") -> Any:
    return by_operator(
        ReenrolTerminal,
        terminal_id=terminal_id,
        generation=generation,
        code_hash=f"code-{generation}",
    )


def revoke(terminal_id: str = "till-9") -> Any:
    return by_operator(RevokeTerminal, terminal_id=terminal_id)


def create_operator(operator_id: str = "olga") -> Any:
    return by_operator(CreateOperator, operator_id=operator_id, code_hash="code-0")


def revoke_operator(operator_id: str = "olga") -> Any:
    return by_operator(RevokeOperator, operator_id=operator_id)


def enrol(
    world: SmallWorld,
    code_hash: str = "code-0",
    *,
    kind: CallerKind = CallerKind.TERMINAL,
    owner_id: str = "till-9",
    key_hash: str = "key-0",
) -> Enrol:
    return Enrol(
        caller=Caller(kind=CallerKind.ANYONE, caller_id=code_hash),
        partition=DIRECTORY,
        kind=kind,
        code_hash=code_hash,
        owner_id=owner_id,
        key_hash=key_hash,
        certificate_pem=f"certificate over {key_hash}",
        expires_at=world.now + LIFE_MILLISECONDS,
    )


def renew(
    world: SmallWorld,
    key_hash: str,
    *,
    kind: CallerKind = CallerKind.TERMINAL,
    owner_id: str = "till-9",
) -> RenewCertificate:
    return RenewCertificate(
        caller=Caller(kind=kind, caller_id=owner_id),
        partition=DIRECTORY,
        key_hash=key_hash,
        certificate_pem=f"certificate over {key_hash}",
        expires_at=world.now + LIFE_MILLISECONDS,
    )


def keys_of(world: SmallWorld, owner_id: str = "till-9") -> set[str]:
    """Return the keys on the list; the owner's row names the same ones."""
    listed = {row.key_hash for row in world.all(Credential) if row.owner_id == owner_id}
    owners: list[Terminal | Operator] = [*world.all(Terminal), *world.all(Operator)]
    (named,) = [row.keys for row in owners if owner_id in row.text]
    assert {key.key_hash for key in named} == listed
    return listed


def test_a_terminal_enrols_once() -> None:
    world = SmallWorld()
    world.ask(create())

    answer = world.ask(enrol(world))

    ends_at = world.now + LIFE_MILLISECONDS
    assert answer == CertificateAnswer(
        owner_id="till-9", certificate_pem="certificate over key-0", expires_at=ends_at
    )
    row = world.get(Terminal.key_of("till-9"))
    assert (row.state, row.enrolled_at) == (TerminalState.ENROLLED, world.now)
    assert row.keys == (CertifiedKey(key_hash="key-0", expires_at=ends_at),)
    listed = world.get(Credential.key_of("key-0"))
    assert (listed.owner_id, listed.expires_at) == ("till-9", ends_at)
    assert reason_of(world.ask(enrol(world))) == Reason.ENROLMENT_CODE_INVALID


@pytest.mark.parametrize(
    "wrong", [{"kind": CallerKind.OPERATOR}, {"owner_id": "till-1"}, {"code_hash": "code-1"}]
)
def test_an_enrolment_code_is_for_its_owner_only(wrong: dict[str, Any]) -> None:
    world = SmallWorld()
    world.ask(create())

    refused = world.ask(enrol(world, **wrong))

    assert reason_of(refused) == Reason.ENROLMENT_CODE_INVALID
    assert reason_of(world.ask(enrol(world))) == "OK"


@pytest.mark.parametrize("is_enrolled", [True, False])
def test_a_revoked_terminal_is_out(*, is_enrolled: bool) -> None:
    world = SmallWorld()
    world.ask(create())
    if is_enrolled:
        world.ask(enrol(world))

    assert [world.ask(revoke()), world.ask(revoke())] == [NEW, KNOWN]

    assert world.get(Terminal.key_of("till-9")).state is TerminalState.REVOKED
    assert not keys_of(world)
    assert reason_of(world.ask(enrol(world))) == Reason.ENROLMENT_CODE_INVALID


def test_a_terminal_that_is_not_there_cannot_be_revoked_or_enrolled_again() -> None:
    world = SmallWorld()

    answers = [world.ask(revoke("till-77")), world.ask(reenrol(1, "till-77"))]

    assert [reason_of(answer) for answer in answers] == [Reason.TERMINAL_NOT_FOUND] * 2


def test_the_next_key_calls_beside_the_one_before_until_that_one_ends() -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(enrol(world))

    world.move(seconds=36 * 3600)
    world.ask(renew(world, "key-1"))
    assert keys_of(world) == {"key-0", "key-1"}

    world.move(seconds=36 * 3600)
    world.ask(renew(world, "key-2"))
    assert keys_of(world) == {"key-1", "key-2"}


def test_a_certificate_is_renewed_for_the_same_key_too() -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(enrol(world))
    world.move(seconds=3600)

    world.ask(renew(world, "key-0"))

    assert keys_of(world) == {"key-0"}
    ends_at = world.now + LIFE_MILLISECONDS
    assert world.get(Credential.key_of("key-0")).expires_at == ends_at


@pytest.mark.parametrize("shut_out", [revoke(), reenrol(1)])
def test_a_renewal_that_was_on_its_way_lets_no_terminal_back_in(shut_out: Any) -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(enrol(world))
    world.ask(shut_out)

    late = world.ask(renew(world, "key-1"))

    assert reason_of(late) == Reason.CREDENTIALS_INVALID
    world.ask(reenrol(1))
    world.ask(enrol(world, "code-1", key_hash="key-2"))
    assert keys_of(world) == {"key-2"}


def test_the_oldest_of_too_many_keys_is_shut_out() -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(enrol(world))

    for number in range(1, KEYS_MAX + 2):
        world.ask(renew(world, f"key-{number}"))

    assert keys_of(world) == {"key-2", "key-3", "key-4"}


def test_a_key_has_one_owner() -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(enrol(world))
    world.ask(
        by_operator(CreateTerminal, terminal_id="till-8", merchant_id="hall", code_hash="other")
    )

    stolen = world.ask(enrol(world, "other", owner_id="till-8", key_hash="key-0"))

    assert reason_of(stolen) == Reason.CERTIFICATE_REQUEST_INVALID
    assert world.get(Credential.key_of("key-0")).owner_id == "till-9"
    assert reason_of(world.ask(enrol(world, "other", owner_id="till-8", key_hash="key-8"))) == "OK"


@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_terminal_enrols_again_with_another_code_and_without_its_old_keys(
    *, is_revoked: bool
) -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(enrol(world))
    if is_revoked:
        world.ask(revoke())

    assert [world.ask(reenrol(1)), world.ask(reenrol(1))] == [NEW, KNOWN]

    assert not keys_of(world)
    world.move(seconds=60)
    assert reason_of(world.ask(enrol(world, "code-1", key_hash="key-1"))) == "OK"
    row = world.get(Terminal.key_of("till-9"))
    assert (row.enrolled_at, row.merchant_id) == (world.now, "cafe")
    assert keys_of(world) == {"key-1"}


def test_a_terminal_that_has_not_enrolled_keeps_its_code() -> None:
    world = SmallWorld()
    world.ask(create())

    assert world.ask(reenrol(1)) == KNOWN

    assert reason_of(world.ask(enrol(world))) == "OK"


def test_an_unused_code_of_an_earlier_generation_is_dead() -> None:
    world = SmallWorld()
    world.ask(create())
    world.ask(revoke())
    world.ask(reenrol(1))

    assert reason_of(world.ask(enrol(world, "code-0"))) == Reason.ENROLMENT_CODE_INVALID
    assert reason_of(world.ask(enrol(world, "code-1"))) == "OK"


def test_an_operator_is_created_until_the_code_is_used() -> None:
    world = SmallWorld()

    assert [world.ask(create_operator()), world.ask(create_operator())] == [NEW, KNOWN]
    world.ask(enrol(world, kind=CallerKind.OPERATOR, owner_id="olga"))

    assert reason_of(world.ask(create_operator())) == Reason.ALREADY_EXISTS_DIFFERENT
    assert world.get(Credential.key_of("key-0")).kind is CallerKind.OPERATOR


@pytest.mark.parametrize("is_enrolled", [True, False])
def test_a_revoked_operator_is_out_for_good(*, is_enrolled: bool) -> None:
    world = SmallWorld()
    world.ask(create_operator())
    if is_enrolled:
        world.ask(enrol(world, kind=CallerKind.OPERATOR, owner_id="olga"))

    assert [world.ask(revoke_operator()), world.ask(revoke_operator())] == [NEW, KNOWN]

    assert not keys_of(world, "olga")
    late = world.ask(enrol(world, kind=CallerKind.OPERATOR, owner_id="olga"))
    assert reason_of(late) == Reason.ENROLMENT_CODE_INVALID


def test_a_renewal_that_was_on_its_way_lets_no_operator_back_in() -> None:
    world = SmallWorld()
    world.ask(create_operator())
    world.ask(enrol(world, kind=CallerKind.OPERATOR, owner_id="olga"))
    world.ask(revoke_operator())

    late = world.ask(renew(world, "key-1", kind=CallerKind.OPERATOR, owner_id="olga"))

    assert reason_of(late) == Reason.CREDENTIALS_INVALID
    assert not keys_of(world, "olga")


def test_of_two_operators_who_revoke_each_other_one_is_left() -> None:
    world = SmallWorld()
    world.ask(create_operator(OPERATOR.caller_id))
    world.ask(create_operator("olga"))
    world.ask(revoke_operator("olga"))

    by_olga = RevokeOperator(
        caller=Caller(kind=CallerKind.OPERATOR, caller_id="olga"),
        partition=DIRECTORY,
        operator_id=OPERATOR.caller_id,
    )

    assert reason_of(world.ask(by_olga)) == Reason.CREDENTIALS_INVALID
    assert not world.get(Operator.key_of(OPERATOR.caller_id)).is_revoked


def test_an_operator_revokes_neither_itself_nor_nobody() -> None:
    world = SmallWorld()
    world.ask(create_operator(OPERATOR.caller_id))

    answers = [world.ask(revoke_operator(name)) for name in (OPERATOR.caller_id, "nobody")]

    assert [reason_of(answer) for answer in answers] == [
        Reason.OPERATOR_IS_CALLER,
        Reason.OPERATOR_NOT_FOUND,
    ]
