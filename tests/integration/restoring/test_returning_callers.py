"""Terminals and operators whose certificate is newer than the backup that was restored."""

from pathlib import Path

import pytest

from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.certificate_request import ClientKey
from tests.integration.restoring.ground import Kept, Served
from tests.world.messages import new_id
from tests.world.operator import Operator
from tests.world.terminal import Terminal

RENEW = {
    Terminal: terminal.RenewCertificateRequest,
    Operator: operator.OperatorServiceRenewCertificateRequest,
}
LOOK = {
    Terminal: ("ListVerificationKeys", terminal.ListVerificationKeysRequest()),
    Operator: ("GetRecovery", operator.GetRecoveryRequest()),
}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept.under(tmp_path)


async def renew(served: Served, actor: Terminal | Operator) -> None:
    """Exchange the certificate for one over a new key."""
    key = ClientKey.generate()
    request = RENEW[type(actor)](request_id=new_id(), certificate_request=key.certificate_request())
    answer = await actor.call("RenewCertificate", request)
    await served.shop.world.present(actor, key, answer.certificate.certificate_pem)


async def back_up(served: Served) -> Path:
    answer = await served.operator.call("Backup", operator.BackupRequest(name="night"))
    return Path(answer.path)


async def reenrol(served: Served) -> None:
    request = operator.ReenrollTerminalRequest(terminal_id="till-1")
    await served.operator.call("ReenrollTerminal", request)


async def finish(served: Served) -> None:
    recovery = (await served.operator.call("GetRecovery", operator.GetRecoveryRequest())).recovery
    request = operator.FinishRecoveryRequest(recovery_id=recovery.recovery_id, note="all told")
    await served.operator.call("FinishRecovery", request)


async def looks(actor: Terminal | Operator) -> str:
    return await actor.reason(*LOOK[type(actor)])


async def test_who_renewed_after_the_backup_is_known_again_for_good(kept: Kept) -> None:
    async with kept.served() as served:
        backup = await back_up(served)
        kept.clock.move(seconds=60)
        for actor in (served.till, served.operator):
            await renew(served, actor)
    kept.restore(backup)

    async with kept.served() as served:
        assert await looks(served.till) == "OK"
        assert await looks(served.operator) == "OK"
        await finish(served)
        assert await looks(served.till) == "OK"
    async with kept.served() as served:
        assert await looks(served.till) == "OK"


async def test_after_the_recovery_nobody_comes_back_by_a_certificate_alone(kept: Kept) -> None:
    async with kept.served() as served:
        backup = await back_up(served)
        kept.clock.move(seconds=60)
        await renew(served, served.till)
    kept.restore(backup)

    async with kept.served() as served:
        await finish(served)
        assert await looks(served.till) == "CREDENTIALS_INVALID"


async def test_who_was_shut_out_before_the_backup_stays_out(kept: Kept) -> None:
    async with kept.served() as served:
        thief = served.till
        other = await served.shop.world.add_terminal("till-2")
        kept.clock.move(seconds=60)
        await reenrol(served)
        create = operator.CreateTerminalRequest(terminal_id="till-1", merchant_id="cafe")
        code = (await served.operator.call("CreateTerminal", create)).enrolment_code
        again = await served.shop.world.enrol_terminal(code)
        backup = await back_up(served)
        kept.clock.move(seconds=60)
        assert await looks(other) == "OK"
    kept.restore(backup)

    async with kept.served() as served:
        await served.shop.world.connect(again)
        assert await looks(again) == "OK"
        assert await looks(thief) == "CREDENTIALS_INVALID"
