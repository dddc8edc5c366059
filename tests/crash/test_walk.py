"""G2 and G21: a server that is killed, or whose disk fails, at a write or a sync."""

import pytest

from tests.crash.walk import FAULTS, Fault, Ground, walk
from tests.proof import Proof
from tests.world.contract import rpc_named

pytestmark = [pytest.mark.guarantee, pytest.mark.asyncio(loop_scope="session")]

KILLED, EIO, ENOSPC = FAULTS


@pytest.mark.parametrize(
    ("name", "path", "fault"),
    [
        ("G2 answers after kills", "TerminalService/CompleteProcess", KILLED),
        ("G21 answers after disk errors", "CustomerService/RegisterCard", EIO),
        ("G21 answers on a full disk", "OperatorService/AddPoints", ENOSPC),
    ],
    ids=["killed", "EIO", "ENOSPC"],
)
async def test_a_request_is_there_as_a_whole_or_not_at_all(
    ground: Ground, proof: Proof, name: str, path: str, fault: Fault
) -> None:
    walked = await walk(ground, rpc_named(path), fault, numbers=(2, 5))

    assert walked.broken == []
    assert walked.recovered == walked.boundaries
    proof.record(
        name,
        trials=walked.boundaries + walked.acknowledged,
        failures=walked.lost,
        faults_fired={fault.name: walked.boundaries},
    )


async def test_a_server_that_goes_on_after_a_failed_sync_would_be_noticed(ground: Ground) -> None:
    """The planted bug: the failure is logged, and the request answered all the same."""
    rpc = rpc_named("CustomerService/RegisterCard")

    walked = await walk(ground, rpc, EIO, bug="goes_on_after_a_failure", numbers=(2,))

    assert walked.lost
