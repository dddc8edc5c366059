"""Reasons that have to do with a shown code."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_format import parse, sign
from tallymark_protocol.code_identifier import CTI_RANDOM_BYTES, make_claims
from tallymark_protocol.reasons import Reason
from tests.integration.error_reasons.case import Case
from tests.world.actions import earn
from tests.world.calls import Call
from tests.world.clock import START
from tests.world.messages import by_request, new_id
from tests.world.stage import Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch


async def a_reversal_that_was_faster(stage: Stage, _: _Patch) -> Call:
    resolve = stage.till.resolve_request(await stage.ana.issue(), earn(1))
    reference = by_request(resolve.identification.code, resolve.request_id)
    reverse = terminal.ReverseProcessRequest(request_id=new_id(), reference=reference)
    await stage.till.call("ReverseProcess", reverse)
    return Call(stage.till, "ResolveCode", resolve)


async def a_text_of_something_else(stage: Stage, _: _Patch) -> Call:
    return _shown(stage, "https://example.com/menu")


async def a_code_read_wrongly(stage: Stage, _: _Patch) -> Call:
    code = await stage.ana.issue()
    return _shown(stage, code[:-1])


async def a_code_of_another_key(stage: Stage, _: _Patch) -> Call:
    code = _signed(stage, parse(await stage.ana.issue()).claims, key_id=0)
    return _shown(stage, code)


async def a_code_with_a_later_expiry(stage: Stage, _: _Patch) -> Call:
    claims = parse(await stage.ana.issue()).claims
    later = replace(claims, expires_at=claims.expires_at + 3600)
    return _shown(stage, _signed(stage, later))


async def a_code_signed_by_somebody_else(stage: Stage, _: _Patch) -> Call:
    claims = parse(await stage.ana.issue()).claims
    code = _signed(stage, claims, private_key=Ed25519PrivateKey.generate())
    return _shown(stage, code)


async def a_code_that_was_never_issued(stage: Stage, _: _Patch) -> Call:
    keyring = stage.world.keyring
    claims = make_claims(
        partition=0,
        random=bytes(CTI_RANDOM_BYTES),
        expires_at=START // 1000 + 60,
        mac_key=keyring.signing.current.mac_key,
        epoch=keyring.epoch,
    )
    return _shown(stage, _signed(stage, claims))


async def a_code_of_a_minute_ago(stage: Stage, _: _Patch) -> Call:
    code = await stage.ana.issue()
    stage.world.clock.move(seconds=60)
    return _shown(stage, code)


async def a_code_taken_back(stage: Stage, _: _Patch) -> Call:
    code = await stage.ana.issue()
    request = customer.RevokeCodeRequest(request_id=new_id())
    await stage.ana.call("RevokeCode", request)
    return _shown(stage, code)


async def a_sibling_of_a_used_code(stage: Stage, _: _Patch) -> Call:
    code = await stage.ana.issue()
    await stage.instructed()
    return _shown(stage, code)


async def a_code_shown_twice(stage: Stage, _: _Patch) -> Call:
    code = await stage.ana.issue()
    await stage.till.resolve(code, earn(1))
    return Call(stage.other_till, "ResolveCode", stage.other_till.resolve_request(code, earn(1)))


async def a_code_for_the_other_till(stage: Stage, _: _Patch) -> Call:
    return _shown(stage, await stage.ana.issue(terminal_tag=await stage.other_till.tag()))


def _shown(stage: Stage, text: str) -> Call:
    return Call(stage.till, "ResolveCode", stage.till.resolve_request(text, earn(1)))


def _signed(
    stage: Stage,
    claims: CodeClaims,
    *,
    key_id: int | None = None,
    private_key: Ed25519PrivateKey | None = None,
) -> str:
    keyring = stage.world.keyring
    key = keyring.signing.current
    return sign(
        claims,
        key_id=key.key_id if key_id is None else key_id,
        private_key=private_key or key.private_key,
        epoch=keyring.epoch,
    )


CASES = (
    Case(reason=Reason.REQUEST_REVERSED, arrange=a_reversal_that_was_faster),
    Case(reason=Reason.CODE_MALFORMED, arrange=a_text_of_something_else),
    Case(reason=Reason.CODE_MALFORMED, arrange=a_code_read_wrongly),
    Case(reason=Reason.CODE_KEY_UNKNOWN, arrange=a_code_of_another_key),
    Case(reason=Reason.CODE_NOT_GENUINE, arrange=a_code_with_a_later_expiry),
    Case(reason=Reason.CODE_NOT_GENUINE, arrange=a_code_signed_by_somebody_else),
    Case(reason=Reason.CODE_NOT_FOUND, arrange=a_code_that_was_never_issued),
    Case(reason=Reason.CODE_EXPIRED, arrange=a_code_of_a_minute_ago),
    Case(reason=Reason.CODE_REVOKED, arrange=a_code_taken_back),
    Case(reason=Reason.CODE_REVOKED, arrange=a_sibling_of_a_used_code),
    Case(reason=Reason.CODE_ALREADY_CLAIMED, arrange=a_code_shown_twice),
    Case(reason=Reason.CODE_FOR_OTHER_TERMINAL, arrange=a_code_for_the_other_till),
)
