"""Reasons that have to do with who calls: requests as such, credentials, accounts."""

import pytest

from tallymark.v1 import customer_service_pb2 as customer
from tallymark.v1 import identification_pb2
from tallymark.v1 import operator_service_pb2 as operator
from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.reasons import Reason
from tests.integration.error_reasons.case import Case
from tests.world.actor import Actor
from tests.world.authority import LONG_LIVES
from tests.world.calls import Call
from tests.world.messages import certificate_request, new_id
from tests.world.operator import Operator
from tests.world.samples import SAMPLES
from tests.world.signed_requests import register_request
from tests.world.stage import ANAS_NUMBER, PASSWORD, Stage

__all__ = ["CASES"]

_Patch = pytest.MonkeyPatch

A_MONTH_IN_SECONDS = 30 * 24 * 3600


async def a_request_without_id_and_purpose(stage: Stage, _: _Patch) -> Call:
    return Call(stage.ana, "IssueCode", customer.IssueCodeRequest())


async def nothing_presented(stage: Stage, _: _Patch) -> Call:
    return Call(Actor(stage.ana.stub), "GetWallet", customer.GetWalletRequest())


async def an_unknown_secret(stage: Stage, _: _Patch) -> Call:
    stranger = Actor(stage.ana.stub, f"tms_{'A' * 43}")
    return Call(stranger, "GetWallet", customer.GetWalletRequest())


async def a_revoked_terminal(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeTerminalRequest(terminal_id="till-1")
    await stage.operator.call("RevokeTerminal", request)
    return Call(stage.till, "ListVerificationKeys", terminal.ListVerificationKeysRequest())


async def a_removed_device(stage: Stage, _: _Patch) -> Call:
    request = customer.RemoveDeviceRequest(request_id=new_id(), device_id=stage.ana.device_id)
    await stage.ana.call("RemoveDevice", request)
    return Call(stage.ana, "GetWallet", customer.GetWalletRequest())


async def a_session_of_a_month(stage: Stage, _: _Patch) -> Call:
    stage.world.clock.move(seconds=A_MONTH_IN_SECONDS)
    return Call(stage.ana, "GetWallet", customer.GetWalletRequest())


async def a_terminal_at_the_operators_port(stage: Stage, _: _Patch) -> Call:
    intruder = Operator(None)
    intruder.identity = stage.till.identity
    await stage.world.connect(intruder)
    return Call(intruder, "GetPolicy", operator.GetPolicyRequest())


async def a_certificate_of_another_month(stage: Stage, _: _Patch) -> Call:
    stage.world.clock.move(seconds=LONG_LIVES.client_seconds)
    return Call(stage.till, "ListVerificationKeys", terminal.ListVerificationKeysRequest())


async def a_request_signed_by_another_key(stage: Stage, _: _Patch) -> Call:
    signed = bytearray(certificate_request())
    signed[-1] ^= 1
    request = terminal.RenewCertificateRequest(
        request_id=new_id(), certificate_request=bytes(signed)
    )
    return Call(stage.till, "RenewCertificate", request)


async def another_terminal_s_key(stage: Stage, _: _Patch) -> Call:
    assert stage.other_till.key is not None
    request = terminal.RenewCertificateRequest(
        request_id=new_id(), certificate_request=stage.other_till.key.certificate_request()
    )
    return Call(stage.till, "RenewCertificate", request)


async def an_operator_that_nobody_created(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeOperatorRequest(operator_id="nobody")
    return Call(stage.operator, "RevokeOperator", request)


async def the_operator_who_asks(stage: Stage, _: _Patch) -> Call:
    request = operator.RevokeOperatorRequest(operator_id="first")
    return Call(stage.operator, "RevokeOperator", request)


async def one_id_for_two_requests(stage: Stage, _: _Patch) -> Call:
    request = customer.RevokeCodeRequest(request_id=new_id())
    await stage.ana.call("RevokeCode", request)
    request.purpose = identification_pb2.CODE_PURPOSE_POINTS
    return Call(stage.ana, "RevokeCode", request)


async def an_enrolment_code_used_before(stage: Stage, _: _Patch) -> Call:
    code = await stage.new_enrolment_code("till-3")
    request = terminal.EnrollRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=certificate_request()
    )
    await stage.till.call("Enroll", request)
    request.request_id = new_id()
    return Call(Actor(stage.till.stub), "Enroll", request)


async def a_terminal_s_code_for_an_operator(stage: Stage, _: _Patch) -> Call:
    code = await stage.new_enrolment_code("till-3")
    request = operator.EnrollOperatorRequest(
        request_id=new_id(), enrolment_code=code, certificate_request=certificate_request()
    )
    return Call(Actor(stage.operator.stub), "EnrollOperator", request)


async def a_second_ana(stage: Stage, _: _Patch) -> Call:
    request = register_request("ana", DevicePrivateKey.generate())
    return Call(Actor(stage.ana.stub), "RegisterCustomer", request)


async def seven_characters(stage: Stage, _: _Patch) -> Call:
    request = register_request("cyd", DevicePrivateKey.generate(), password="1234567")
    return Call(Actor(stage.ana.stub), "RegisterCustomer", request)


async def seven_characters_from_now_on(stage: Stage, _: _Patch) -> Call:
    request = customer.ChangePasswordRequest(
        request_id=new_id(), password=PASSWORD, new_password="1234567"
    )
    return Call(stage.ana, "ChangePassword", request)


async def a_policy_that_asks_for_it(stage: Stage, _: _Patch) -> Call:
    await stage.operator.set_policy(password_rule=3)
    request = customer.IssueCodeRequest(
        request_id=new_id(), purpose=identification_pb2.CODE_PURPOSE_POINTS
    )
    return Call(stage.ana, "IssueCode", request)


async def another_number_code(stage: Stage, _: _Patch) -> Call:
    sent = stage.world.numbers.codes[ANAS_NUMBER]
    other = f"{(int(sent) + 1) % 10**6:06d}"
    request = customer.VerifyNumberRequest(request_id=new_id(), number_code=other)
    return Call(stage.ana, "VerifyNumber", request)


async def the_sixth_number_code_though_right(stage: Stage, patch: _Patch) -> Call:
    wrong = await another_number_code(stage, patch)
    for _ in range(5):
        wrong.request.request_id = new_id()
        assert await stage.ana.reason("VerifyNumber", wrong.request) == "NUMBER_CODE_WRONG"
    request = customer.VerifyNumberRequest(
        request_id=new_id(), number_code=stage.world.numbers.codes[ANAS_NUMBER]
    )
    return Call(stage.ana, "VerifyNumber", request)


async def a_code_that_is_over(stage: Stage, _: _Patch) -> Call:
    request = customer.VerifyNumberRequest(
        request_id=new_id(), number_code=stage.world.numbers.codes[ANAS_NUMBER]
    )
    stage.world.clock.move(seconds=600)
    return Call(stage.ana, "VerifyNumber", request)


async def a_code_for_no_number(stage: Stage, _: _Patch) -> Call:
    cyd = await stage.world.add_phone("cyd")
    return Call(cyd, "SendNumberCode", customer.SendNumberCodeRequest(request_id=new_id()))


async def the_sixth_code_of_a_day(stage: Stage, _: _Patch) -> Call:
    for _code in range(4):  # one was sent at the registration
        again = customer.SendNumberCodeRequest(request_id=new_id())
        await stage.ana.call("SendNumberCode", again)
    return Call(stage.ana, "SendNumberCode", customer.SendNumberCodeRequest(request_id=new_id()))


async def the_sixth_code_to_a_number(stage: Stage, _: _Patch) -> Call:
    for login_name in ("cyd", "dan", "eve", "fay"):
        await stage.world.add_phone(login_name, telephone_number=ANAS_NUMBER)
    request = customer.SendNumberCodeRequest(request_id=new_id(), telephone_number=ANAS_NUMBER)
    return Call(stage.bob, "SendNumberCode", request)


async def a_number_verified_before(stage: Stage, _: _Patch) -> Call:
    await stage.verify_number(stage.ana, ANAS_NUMBER)
    request = customer.VerifyNumberRequest(request_id=new_id(), number_code="123456")
    return Call(stage.ana, "VerifyNumber", request)


async def a_till_that_nobody_delegated(stage: Stage, _: _Patch) -> Call:
    request = await SAMPLES["TerminalService/Exchange"](stage)
    request.commands[0].terminal_id = stage.other_till.terminal_id
    return Call(stage.till, "Exchange", request)


CASES = (
    Case(
        reason=Reason.TERMINAL_NOT_DELEGATED,
        arrange=a_till_that_nobody_delegated,
        metadata={"terminal_id": "till-2"},
    ),
    Case(
        reason=Reason.REQUEST_INVALID,
        arrange=a_request_without_id_and_purpose,
        violations=("request_id", "purpose"),
    ),
    Case(reason=Reason.CREDENTIALS_MISSING, arrange=nothing_presented),
    Case(reason=Reason.CREDENTIALS_INVALID, arrange=an_unknown_secret),
    Case(reason=Reason.CREDENTIALS_INVALID, arrange=a_revoked_terminal),
    Case(reason=Reason.CREDENTIALS_INVALID, arrange=a_removed_device),
    Case(reason=Reason.SESSION_EXPIRED, arrange=a_session_of_a_month),
    Case(
        reason=Reason.CALLER_NOT_ALLOWED,
        arrange=a_terminal_at_the_operators_port,
        metadata={"needed": "operator"},
    ),
    Case(reason=Reason.CERTIFICATE_EXPIRED, arrange=a_certificate_of_another_month),
    Case(reason=Reason.CERTIFICATE_REQUEST_INVALID, arrange=a_request_signed_by_another_key),
    Case(reason=Reason.CERTIFICATE_REQUEST_INVALID, arrange=another_terminal_s_key),
    Case(reason=Reason.OPERATOR_NOT_FOUND, arrange=an_operator_that_nobody_created),
    Case(reason=Reason.OPERATOR_IS_CALLER, arrange=the_operator_who_asks),
    Case(reason=Reason.REQUEST_ID_REUSED, arrange=one_id_for_two_requests),
    Case(reason=Reason.ENROLMENT_CODE_INVALID, arrange=an_enrolment_code_used_before),
    Case(reason=Reason.ENROLMENT_CODE_INVALID, arrange=a_terminal_s_code_for_an_operator),
    Case(reason=Reason.LOGIN_NAME_TAKEN, arrange=a_second_ana),
    Case(
        reason=Reason.PASSWORD_TOO_SHORT,
        arrange=seven_characters,
        metadata={"characters_min": "8"},
    ),
    Case(
        reason=Reason.PASSWORD_TOO_SHORT,
        arrange=seven_characters_from_now_on,
        metadata={"characters_min": "8"},
    ),
    Case(reason=Reason.PASSWORD_REQUIRED, arrange=a_policy_that_asks_for_it),
    Case(
        reason=Reason.NUMBER_CODE_WRONG,
        arrange=another_number_code,
        changes=frozenset({"customers"}),  # wrong tries are counted
    ),
    Case(reason=Reason.NUMBER_CODE_WRONG, arrange=the_sixth_number_code_though_right),
    Case(reason=Reason.NUMBER_CODE_WRONG, arrange=a_code_that_is_over),
    Case(reason=Reason.NO_NUMBER_TO_VERIFY, arrange=a_number_verified_before),
    Case(reason=Reason.NO_NUMBER_TO_VERIFY, arrange=a_code_for_no_number),
    Case(reason=Reason.NUMBER_CODE_LIMIT, arrange=the_sixth_code_of_a_day),
    Case(reason=Reason.NUMBER_CODE_LIMIT, arrange=the_sixth_code_to_a_number),
)
