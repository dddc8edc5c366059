"""No request makes the server crash, hang or tell what nobody should know: G20, for RPCs."""

from functools import partial
from typing import Any

import pytest

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.keyring import Keyring
from tallymark_server.services import interceptors
from tallymark_server.services.contract_rules import check
from tallymark_server.tls import authority
from tests.fuzz.siege import besiege, requests_until_fault
from tests.proof import Proof
from tests.world.contract import RPCS, rpc_named

requested_key = authority._requested_key  # noqa: SLF001 -- the same


@pytest.mark.guarantee
async def test_no_request_does_harm(proof: Proof, keyring: Keyring) -> None:
    requests = proof.trials(ci=15, campaign=500)

    counted, faults = await besiege(RPCS, keyring, requests=requests, seed=str(proof.seed))

    proof.record(
        "G20 requests",
        trials=counted.requests,
        failures=len(faults),
        faults_fired=dict(counted.ends),
        figures={"rpcs": len(RPCS), "servers": counted.stages, "faults": faults},
    )


# Planted bugs: each has to be found by requests of one RPC.


async def _echo_the_error(context: Any, error: Exception, method: str) -> None:
    """End no call: what was raised goes on to gRPC, which tells the caller its text."""


def _check_and_echo(request: Any) -> None:
    """Refuse with the values that broke a rule."""
    try:
        check(request)
    except Refused as refused:
        violations = [(path, f"{text}: {request}") for path, text in refused.violations]
        raise Refused(Reason.REQUEST_INVALID, violations=violations) from None


def _key_at_a_fixed_place(request: bytes) -> object:
    """Read a request for a certificate without looking whether it is long enough."""
    if request[150] > 250:
        raise authority.RequestInvalid
    return requested_key(request)


PLANTED: dict[str, tuple[Any, str, Any, str]] = {
    "an except that echoes what was raised": (
        *(interceptors, "_abort", _echo_the_error),
        "CustomerService/IssueCode",
    ),
    "a refusal that repeats the request": (
        *(interceptors, "check", _check_and_echo),
        "CustomerService/SignIn",
    ),
    "an IndexError of a parser let through": (
        *(authority, "_requested_key", _key_at_a_fixed_place),
        "TerminalService/Enroll",
    ),
}
REQUESTS_MAX = 2_000


@pytest.mark.guarantee
async def test_planted_bugs_are_found(
    proof: Proof, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = {}
    for bug, (place, name, planted, path) in PLANTED.items():
        with monkeypatch.context() as while_planted:
            plant = partial(while_planted.setattr, place, name, planted)
            tries[bug] = await requests_until_fault(
                rpc_named(path), keyring, plant, most=REQUESTS_MAX
            )

    proof.record(
        "G20 requests, planted bugs",
        trials=sum(tries.values()),
        failures=sum(count == 0 for count in tries.values()),
        mutants_killed=tries,
    )
