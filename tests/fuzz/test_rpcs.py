"""No request makes the server crash, hang or tell what nobody should know: G20, for RPCs."""

import pytest

from tallymark_server.keyring import Keyring
from tests.fuzz.siege import besiege
from tests.proof import Proof
from tests.world.contract import RPCS


@pytest.mark.guarantee
async def test_no_request_does_harm(proof: Proof, keyring: Keyring) -> None:
    requests = proof.trials(ci=20, campaign=2_000)

    counted, faults = await besiege(RPCS, keyring, requests=requests, seed=str(proof.seed))

    proof.record(
        "G20 requests",
        trials=counted.requests,
        failures=len(faults),
        faults_fired=dict(counted.ends),
        figures={"rpcs": len(RPCS), "servers": counted.stages, "faults": faults},
    )
