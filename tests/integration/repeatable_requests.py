"""Every changing call of phones and terminals, ready to be sent, with a second body for its id."""

from collections.abc import Awaitable, Callable
from typing import Any

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import terminal_service_pb2 as t
from tallymark.v1.identification_pb2 import CODE_PURPOSE_POINTS
from tests.world.actions import READ_POINTS, burn
from tests.world.shop import Shop
from tests.world.world import GOOD_CARD, Actor, by_process, new_id

__all__ = ["PREPARE", "Prepared"]

PASSWORD = "correct horse"

Prepared = tuple[Actor, str, Any, Any]
"""Who calls what, the request, and the same request_id with another body."""


async def register_customer(shop: Shop) -> Prepared:
    def request(device_name: str) -> c.RegisterCustomerRequest:
        return c.RegisterCustomerRequest(
            request_id=name, login_name="eve", password=PASSWORD, device_name=device_name
        )

    name = new_id()
    return Actor(shop.phone.stub), "RegisterCustomer", request("phone"), request("tablet")


async def sign_in(shop: Shop) -> Prepared:
    def request(device_id: str) -> c.SignInRequest:
        return c.SignInRequest(
            request_id=name, login_name="ana", password=PASSWORD, device_id=device_id
        )

    name = new_id()
    other = await shop.world.add_device(shop.phone)
    mine = request(shop.phone.device_id)
    return Actor(shop.phone.stub), "SignIn", mine, request(other.device_id)


async def add_device(shop: Shop) -> Prepared:
    def request(name: str) -> c.AddDeviceRequest:
        return c.AddDeviceRequest(
            request_id=request_id, login_name="ana", password=PASSWORD, device_name=name
        )

    request_id = new_id()
    return Actor(shop.phone.stub), "AddDevice", request("tablet"), request("watch")


async def register_card(shop: Shop) -> Prepared:
    def request(expires_on: str) -> c.RegisterCardRequest:
        return c.RegisterCardRequest(request_id=name, card_number=GOOD_CARD, expires_on=expires_on)

    name = new_id()
    return shop.phone, "RegisterCard", request("2031-01"), request("2031-02")


async def remove_card(shop: Shop) -> Prepared:
    def request(card_id: str) -> c.RemoveCardRequest:
        return c.RemoveCardRequest(request_id=name, card_id=card_id)

    name = new_id()
    other = await shop.phone.add_card("5555555555554444")
    mine = (await shop.phone.wallet()).cards[0]
    return shop.phone, "RemoveCard", request(mine.card_id), request(other.card_id)


async def issue_code(shop: Shop) -> Prepared:
    def request(audience: str) -> c.IssueCodeRequest:
        return c.IssueCodeRequest(request_id=name, purpose=CODE_PURPOSE_POINTS, audience=audience)

    name = new_id()
    return shop.phone, "IssueCode", request(""), request("till-1")


async def revoke_code(shop: Shop) -> Prepared:
    def request(purpose: Any) -> c.RevokeCodeRequest:
        return c.RevokeCodeRequest(request_id=name, purpose=purpose)

    name = new_id()
    await shop.phone.issue()
    return shop.phone, "RevokeCode", request(1), request(2)


async def resolve_code(shop: Shop) -> Prepared:
    name, code = new_id(), await shop.phone.issue()
    mine, other = [
        shop.till.resolve_request(code, burn(points), request_id=name) for points in (10, 11)
    ]
    return shop.till, "ResolveCode", mine, other


async def update_points(shop: Shop) -> Prepared:
    def request(new_balance: int) -> t.UpdatePointsRequest:
        return t.UpdatePointsRequest(
            request_id=name, reference=reference, version=1, new_balance=new_balance
        )

    name = new_id()
    reference = by_process((await shop.scan(READ_POINTS)).process_id)
    return shop.till, "UpdatePoints", request(100), request(101)


async def complete(shop: Shop) -> Prepared:
    def request(process_id: str) -> t.CompleteProcessRequest:
        return t.CompleteProcessRequest(request_id=name, reference=by_process(process_id))

    name = new_id()
    mine, other = await shop.scan(burn(10)), await shop.scan(burn(10))
    return shop.till, "CompleteProcess", request(mine.process_id), request(other.process_id)


async def reverse(shop: Shop) -> Prepared:
    def request(note: str) -> t.ReverseProcessRequest:
        return t.ReverseProcessRequest(request_id=name, reference=reference, note=note)

    name, process = new_id(), await shop.scan(burn(10))
    reference = by_process(process.process_id)
    await shop.till.complete(process.process_id)
    return shop.till, "ReverseProcess", request("returned"), request("broken")


async def confirm(shop: Shop) -> Prepared:
    def request(decision: Any) -> c.ConfirmProcessRequest:
        return c.ConfirmProcessRequest(
            request_id=name, process_id=process.process_id, decision=decision
        )

    name = new_id()
    await shop.world.operator.set_policy(confirm_points_from=0)
    process = await shop.scan(burn(10), wait_milliseconds=1)
    return shop.phone, "ConfirmProcess", request(1), request(2)


async def dispute(shop: Shop) -> Prepared:
    def request(statement: str) -> c.DisputeProcessRequest:
        return c.DisputeProcessRequest(
            request_id=name, process_id=process.process_id, statement=statement
        )

    name, process = new_id(), await shop.scan(burn(10))
    return shop.phone, "DisputeProcess", request("not me"), request("not mine")


PREPARE: dict[str, Callable[[Shop], Awaitable[Prepared]]] = {
    "RegisterCustomer": register_customer,
    "SignIn": sign_in,
    "AddDevice": add_device,
    "RegisterCard": register_card,
    "RemoveCard": remove_card,
    "IssueCode": issue_code,
    "RevokeCode": revoke_code,
    "ResolveCode": resolve_code,
    "UpdatePoints": update_points,
    "CompleteProcess": complete,
    "ReverseProcess": reverse,
    "ConfirmProcess": confirm,
    "DisputeProcess": dispute,
}
