"""A cast is made on a real server, by its contracts alone."""

import dataclasses
import logging
import stat
from copy import deepcopy
from pathlib import Path

import pytest
from click.testing import CliRunner

from tallymark.v1 import customer_service_pb2, operator_service_pb2, terminal_service_pb2
from tallymark_load.cast import Cast, CastFile, UnusableCast
from tallymark_load.cast.furnishing import POINTS
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.operator_home import NoOperator
from tallymark_load.cast.preparing import prepare
from tallymark_load.cast.renewing import renew
from tallymark_load.main import main
from tests.integration.load.casts import Album, authority_of, new_cast, prepared_cast
from tests.world.clock import START
from tests.world.world import World

SECONDS_OF_A_CERTIFICATE = 10 * 365 * 86_400


async def test_everybody_can_call_and_has_what_a_load_needs(in_memory: World) -> None:
    cast = await prepared_cast(in_memory, customers=5)

    accounts = await in_memory.operator.call(
        "ListPointsAccounts", operator_service_pb2.ListPointsAccountsRequest()
    )
    tickets = await in_memory.operator.call(
        "ListTickets", operator_service_pb2.ListTicketsRequest()
    )
    policy = await in_memory.operator.call("GetPolicy", operator_service_pb2.GetPolicyRequest())
    assert cast.is_ready
    assert {account.balance for account in accounts.points_accounts} == {POINTS}
    assert sorted(one.ticket_id for one in tickets.tickets) == [
        f"customer-{n}-1" for n in range(1, 6)
    ]
    assert policy.policy.unconfirmed_count_max == 10_000
    assert policy.policy.confirm_money_from == 5_000, "what asks the customer is left alone"


async def test_a_policy_that_is_to_stay_stays(in_memory: World) -> None:
    request = operator_service_pb2.GetPolicyRequest()
    before = (await in_memory.operator.call("GetPolicy", request)).policy
    cast = new_cast(in_memory, customers=1)

    async with Lines(cast) as lines:
        authority = authority_of(in_memory)
        await prepare(cast, lines, Album(), authority=authority, widens_policy=False)

    assert (await in_memory.operator.call("GetPolicy", request)).policy == before


@pytest.mark.parametrize(
    "break_at", [("terminals", 2), ("customers", 2), ("tickets and points", 3)]
)
async def test_a_broken_preparation_goes_on_where_it_was_kept_last(
    in_memory: World, break_at: tuple[str, int]
) -> None:
    cast = new_cast(in_memory, customers=3)
    broken = Album(break_at)
    with pytest.raises(ConnectionError):
        async with Lines(cast) as lines:
            await prepare(cast, lines, broken, authority=authority_of(in_memory))
    # The answers that came after it are lost, as those of a machine that lost its power.
    kept = broken.kept[-2]

    async with Lines(kept) as lines:
        await prepare(kept, lines, Album(), authority=authority_of(in_memory))

    listed = await in_memory.operator.call(
        "ListCustomers", operator_service_pb2.ListCustomersRequest()
    )
    assert kept.is_ready
    assert [one.cards for one in listed.customers] == [1, 1, 1], "nobody registers twice"
    answered = broken.kept[-1]
    assert {name: one for name, one in answered.terminals.items() if one.is_ready}.items() <= (
        kept.terminals.items()
    ), "the same requests have the same answers"


async def test_what_was_answered_when_a_batch_broke_is_kept(in_memory: World) -> None:
    cast = new_cast(in_memory, customers=3)
    broken = Album(break_at=("customers", 2))
    with pytest.raises(ConnectionError):
        async with Lines(cast) as lines:
            await prepare(cast, lines, broken, authority=authority_of(in_memory))

    kept = broken.kept[-1]

    assert all(customer.is_ready for customer in kept.customers.values())


async def test_without_an_operator_it_says_who_could_be_one(in_memory: World) -> None:
    cast = new_cast(in_memory, customers=1)

    with pytest.raises(NoOperator, match="--enrolment-code-file"):
        async with Lines(cast) as lines:
            await prepare(cast, lines, Album(), authority=None)


async def test_sessions_and_certificates_are_renewed_before_they_end(in_memory: World) -> None:
    cast = await prepared_cast(in_memory, customers=2)
    before = deepcopy(cast)
    now_ms = START + SECONDS_OF_A_CERTIFICATE * 1000 * 2 // 3
    album = Album()

    async with Lines(cast) as lines:
        await renew(cast, lines, album, now_ms=now_ms)
    async with Lines(cast) as lines:
        phones = lines.phones()
        request = customer_service_pb2.GetWalletRequest()
        wallets = [
            await phones.GetWallet(request, metadata=one.credentials)
            for one in cast.customers.values()
        ]

    assert _certificates(cast).isdisjoint(_certificates(before))
    assert _tokens(cast).isdisjoint(_tokens(before))
    assert [wallet.login_name for wallet in wallets] == ["load-customer-1", "load-customer-2"]
    assert album.kept[-1].customers == cast.customers


async def test_a_terminal_whose_certificate_has_ended_enrols_again(in_memory: World) -> None:
    cast = await prepared_cast(in_memory, customers=1)
    over = dataclasses.replace(cast.terminals["terminal-2"], renew_at_ms=START, expires_at_ms=START)
    cast.terminals["terminal-2"] = over

    async with Lines(cast) as lines:
        await renew(cast, lines, Album(), now_ms=START)
        stub = lines.terminals(cast.terminals["terminal-2"].identity)
        keys = await stub.ListVerificationKeys(terminal_service_pb2.ListVerificationKeysRequest())

    assert keys.keys
    assert cast.terminals["terminal-2"].private_key_pem != over.private_key_pem


async def test_the_file_is_for_its_owner_and_gives_the_cast_back(
    in_memory: World, tmp_path: Path
) -> None:
    cast = await prepared_cast(in_memory, customers=2)
    file = CastFile(tmp_path / "load.cast")

    file.write(cast)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.read() == cast


async def test_no_repr_log_or_error_shows_a_secret(
    in_memory: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cast = await prepared_cast(in_memory, customers=2)
    file = CastFile(tmp_path / "load.cast")
    file.write(cast)
    file.path.write_text(file.path.read_text()[:-20])

    with pytest.raises(UnusableCast) as unusable:
        file.read()

    told = f"{cast!r}{caplog.text}{unusable.value!r}{unusable.value.__cause__!r}"
    assert [secret for secret in _secrets(cast) if secret in told] == []


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "load.cast"
    path.write_text("{}")
    path.chmod(0o644)

    result = CliRunner().invoke(main, ["run", "shift", "--cast", str(path)])

    assert result.exit_code == 2
    assert f"chmod 600 {path}" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a new cast needs --server"),
        (("--terminals", "1", "--merchants", "2"), "too few for 2 merchants"),
        (("--server", "nowhere"), "Write HOST:PORT"),
        (("--label", "Über"), "small letters, digits and hyphens"),
    ],
)
def test_wrong_use_of_prepare_is_told(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    command = ["prepare", "--cast", str(tmp_path / "load.cast"), *arguments]

    result = CliRunner().invoke(main, command)

    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "load.cast").exists()


def _certificates(cast: Cast) -> set[str]:
    assert cast.operator is not None
    certified = (cast.operator, *cast.terminals.values())
    return {member.certificate_pem for member in certified}


def _tokens(cast: Cast) -> set[str]:
    return {customer.session_token for customer in cast.customers.values()}


def _secrets(cast: Cast) -> list[str]:
    assert cast.operator is not None
    certified = (cast.operator, *cast.terminals.values())
    keys = [member.private_key_pem for member in certified]
    customers = cast.customers.values()
    keys += [customer.device_key_pem for customer in customers]
    lines = [key.splitlines()[1] for key in keys]
    return [*lines, *_tokens(cast), *(customer.password for customer in customers)]
