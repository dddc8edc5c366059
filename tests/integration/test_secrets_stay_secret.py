"""No secret, code, password or card number gets into a log, an error or the repr of a row."""

import logging
from typing import Any

import pytest

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.lanes import lane
from tests.world.calls import ROWS_MAX, Call, everything_in, failure_of
from tests.world.contract import RPCS
from tests.world.played import play_all, secrets_of
from tests.world.samples import SAMPLES
from tests.world.secret_values import is_shown, secrets_in
from tests.world.stage import Stage
from tests.world.world import World

ALL_LEVELS = logging.NOTSET + 1

RPCS_WITH_SECRETS = [
    rpc
    for rpc in RPCS
    if any(field.GetOptions().debug_redact for field in rpc.request_type.fields)
    or "identification" in rpc.request_type.fields_by_name
]


async def test_what_succeeds_is_not_logged(
    in_memory: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(ALL_LEVELS)
    stage = await Stage.set_up(in_memory)

    secrets = secrets_of(stage, await play_all(stage))

    assert len(secrets) > 12, "the samples carry secrets"
    _check_hidden(secrets, caplog.text)


async def test_rows_and_journal_show_no_secret_in_their_repr(in_memory: World) -> None:
    stage = await Stage.set_up(in_memory)

    secrets = secrets_of(stage, await play_all(stage))

    store = stage.world.store
    rows = await everything_in(store)
    journal = await store.journal(DIRECTORY, after_sequence=0, limit=ROWS_MAX)
    _check_hidden(secrets, *map(repr, rows.values()), *map(repr, journal))
    assert "$argon2" not in repr(rows)
    assert "sim_" not in repr(rows), "a card's token can be charged"
    assert all(number not in repr(rows) for number in stage.world.numbers.codes)


async def test_a_refused_request_is_not_repeated_in_the_error_or_the_log(
    in_memory: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(ALL_LEVELS)
    stage = await Stage.set_up(in_memory)

    for rpc in RPCS_WITH_SECRETS:
        sample = await SAMPLES[rpc.path](stage)
        is_free_choice = rpc.name == "RegisterCustomer"
        for damage in (_lengthen, _drop_request_id, *([] if is_free_choice else [_change])):
            request = damage(sample)
            caplog.clear()
            failure = await failure_of(Call(stage.caller_of(rpc), rpc.name, request))
            told = (repr(failure), str(failure.error), repr(failure.error.violations))
            _check_hidden(secrets_in(request), *told, caplog.text)


@pytest.mark.parametrize("culprit", ["rules", "institution"])
async def test_a_fault_on_the_way_shows_no_secret(
    in_memory: World,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    culprit: str,
) -> None:
    caplog.set_level(ALL_LEVELS)
    stage = await Stage.set_up(in_memory)
    samples = {rpc: await SAMPLES[rpc.path](stage) for rpc in RPCS_WITH_SECRETS}
    if culprit == "rules":
        monkeypatch.setattr(lane, "decide", None)
    else:
        samples = {rpc: one for rpc, one in samples.items() if rpc.name == "RegisterCard"}
        monkeypatch.setattr("tallymark_server.services.customer_accounts.INSTITUTION_SECONDS", -1.0)

    for rpc, request in samples.items():
        failure = await failure_of(Call(stage.caller_of(rpc), rpc.name, request))
        _check_hidden(secrets_in(request), repr(failure), str(failure.error), caplog.text)


async def test_credentials_that_are_refused_are_not_repeated(
    in_memory: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(ALL_LEVELS)
    stage = await Stage.set_up(in_memory)
    call = Call(stage.ana, "GetWallet", await SAMPLES["CustomerService/GetWallet"](stage))

    for secret in ("tms_planted-and-unknown", "planted-of-no-kind"):
        failure = await failure_of(call, secret=secret)
        _check_hidden({secret}, repr(failure), str(failure.error), caplog.text)


def _lengthen(sample: Any) -> Any:
    return _with_secrets(sample, lambda secret: secret * 40)


def _change(sample: Any) -> Any:
    return _with_secrets(sample, lambda secret: f"{secret[:-1]}\u00df")


def _drop_request_id(sample: Any) -> Any:
    request = _with_secrets(sample, lambda secret: secret)
    request.request_id = ""
    return request


def _with_secrets(message: Any, change: Any) -> Any:
    """Return a copy in which the secrets are changed."""
    copy = type(message)()
    copy.CopyFrom(message)
    places = [copy, getattr(copy, "identification", None)]
    for place in places:
        for field, value in place.ListFields() if place is not None else ():
            if field.GetOptions().debug_redact:
                setattr(place, field.name, change(value))
    return copy


def _check_hidden(secrets: set[str], *told: str) -> None:
    for text in told:
        for secret in secrets:
            assert not is_shown(secret, text)
