"""The certificate renewed in service: in time, with a new key, and without losing a sale."""

import asyncio
import secrets
from dataclasses import replace

import grpc
import pytest

from tallymark_protocol.errors import NotDone, Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_protocol.tls import open_channel
from tallymark_terminal import secure_line
from tallymark_terminal.renewing import RENEW_AGAIN_SECONDS, Renewal
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.sale_results import Outcome
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection
from tests.doubles.authority import Authority
from tests.doubles.terminal_access import LIFE_SECONDS

from .rig import Rig

HALF_LIFE = LIFE_SECONDS / 2


def keys_in_calls(rig: Rig) -> list[str]:
    """Return the keys of all calls, each once, in the order of their first use."""
    return list(dict.fromkeys(rig.double.access.callers))


async def test_certificate_is_renewed_once_half_of_its_life_is_over(rig: Rig) -> None:
    before = rig.renewal.identity
    rig.time.seconds += HALF_LIFE - 1
    await rig.renewal.renew_if_due()
    assert not rig.double.requests("RenewCertificate")

    rig.time.seconds += 2
    await rig.renewal.renew_if_due()

    after = rig.renewal.identity
    assert after.key.key_hash() != before.key.key_hash()
    assert after.certificate.expires_at > before.certificate.expires_at
    assert rig.home.read_identity().key.key_hash() == after.key.key_hash()
    assert not rig.warnings


async def test_next_call_is_made_with_the_new_certificate(rig: Rig) -> None:
    old = rig.renewal.identity.key.key_hash()

    new = (await rig.renewal.renew()).key.key_hash()
    result = await rig.sell()

    assert result.outcome is Outcome.EXECUTED
    assert keys_in_calls(rig) == [old, new]


@pytest.mark.parametrize("rpc", ["ResolveCode", "CompleteProcess"])
async def test_sale_under_way_goes_on_through_a_renewal(rig: Rig, rpc: str) -> None:
    go_on = rig.double.held_up[rpc] = asyncio.Event()
    sale = asyncio.create_task(rig.sell())
    await rig.double.hanging.wait()

    await rig.renewal.renew()
    go_on.set()
    result = await sale

    assert result.outcome is Outcome.EXECUTED
    assert len(rig.double.requests(rpc)) == 1
    assert len(rig.double.processes) == 1
    assert not rig.cashier.silences
    assert len(keys_in_calls(rig)) == (2 if rpc == "ResolveCode" else 1)


async def test_replaced_connection_is_closed_after_its_last_call(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels: list[grpc.aio.Channel] = []

    def open_and_note(*arguments: object, **named: object) -> grpc.aio.Channel:
        channels.append(open_channel(*arguments, **named))  # type: ignore[arg-type] # as given
        return channels[-1]

    monkeypatch.setattr(secure_line, "open_channel", open_and_note)
    await rig.renewal.renew()
    go_on = rig.double.held_up["ResolveCode"] = asyncio.Event()
    sale = asyncio.create_task(rig.sell())
    await rig.double.hanging.wait()

    await rig.renewal.renew()
    during = channels[0].get_state()
    go_on.set()
    await sale

    assert during is grpc.ChannelConnectivity.READY
    assert channels[0].get_state() is grpc.ChannelConnectivity.SHUTDOWN
    assert channels[1].get_state() is grpc.ChannelConnectivity.READY


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
async def test_lost_renewal_is_asked_for_again_with_the_same_request(rig: Rig, lost: str) -> None:
    before = rig.renewal.identity
    getattr(rig.double, lost)["RenewCertificate"] = 2
    for _ in range(2):
        with pytest.raises(UnknownOutcome):
            await rig.renewal.renew()
        assert (await rig.sell()).outcome is Outcome.EXECUTED

    await rig.renewal.renew()

    requests = rig.double.requests("RenewCertificate")
    assert all(request == requests[0] for request in requests)
    assert rig.renewal.identity.key.key_hash() != before.key.key_hash()
    assert len(rig.double.access.ends) == 2


async def test_failed_renewal_is_told_and_tried_again_after_a_while(rig: Rig) -> None:
    rig.time.seconds += HALF_LIFE
    rig.double.errors["RenewCertificate"].extend([NotDone(Reason.OVERLOADED)] * 2)

    for _ in range(5):
        await rig.renewal.renew_if_due()
    assert len(rig.double.requests("RenewCertificate")) == 1
    rig.time.seconds += RENEW_AGAIN_SECONDS
    await rig.renewal.renew_if_due()
    rig.time.seconds += RENEW_AGAIN_SECONDS
    await rig.renewal.renew_if_due()

    assert len(rig.double.requests("RenewCertificate")) == 3
    assert len(rig.warnings) == 2
    assert "could not be renewed" in rig.warnings[0]


async def test_request_that_is_refused_for_good_is_not_made_again(rig: Rig) -> None:
    rig.double.errors["RenewCertificate"].append(Refused(Reason.REQUEST_ID_REUSED))
    with pytest.raises(Refused):
        await rig.renewal.renew()

    await rig.renewal.renew()

    first, second = rig.double.requests("RenewCertificate")
    assert first.request_id != second.request_id
    assert first.certificate_request != second.certificate_request


async def test_terminal_that_is_not_accepted_keeps_its_request(rig: Rig) -> None:
    rig.double.errors["RenewCertificate"].append(Refused(Reason.CREDENTIALS_INVALID))
    with pytest.raises(Refused):
        await rig.renewal.renew()

    await rig.renewal.renew()

    first, second = rig.double.requests("RenewCertificate")
    assert first == second


async def test_certificate_that_has_ended_cannot_be_renewed(rig: Rig) -> None:
    rig.time.seconds += LIFE_SECONDS

    with pytest.raises(Refused) as refused:
        await rig.renewal.renew()

    assert refused.value.reason is Reason.CERTIFICATE_EXPIRED


async def test_certificate_that_another_process_renewed_is_used(rig: Rig) -> None:
    async with ServerConnection(
        rig.double.terminal_address,
        ca_certificates_pem=rig.renewal.identity.certificate.ca_certificates_pem,
        identity=rig.renewal.identity.for_tls,
        steady=rig.time.steady,
    ) as server:
        other = Renewal(
            home=rig.home,
            identity=rig.renewal.identity,
            server=server,
            clock=ServerClock(steady=rig.time.steady),
            request_ids=RequestIds(wall_clock=rig.time.steady, random_bits=secrets.randbits),
            warn=rig.warnings.append,
        )
        renewed = await other.renew()

    rig.time.seconds += LIFE_SECONDS - 60
    rig.double.access.ends[renewed.key.key_hash()] += LIFE_SECONDS
    await rig.renewal.renew_if_due()
    await rig.sell()

    assert len(rig.double.requests("RenewCertificate")) == 1
    assert keys_in_calls(rig)[-1] == renewed.key.key_hash()


async def test_new_authorities_are_trusted_after_a_renewal(rig: Rig) -> None:
    certificate = rig.renewal.identity.certificate
    foreign = replace(certificate, ca_certificates_pem=Authority("next").certificate_pem)

    await rig.server.present(replace(rig.renewal.identity, certificate=foreign))

    with pytest.raises(UnknownOutcome):
        await rig.server.list_verification_keys()
