"""Requests that are sent once now, and again when everything about them is old."""

from collections.abc import Awaitable, Callable

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import identification_pb2, terminal_service_pb2
from tests.world.actions import burn
from tests.world.messages import by_request, new_id
from tests.world.shop import Shop

__all__ = ["Again", "add_points", "complete", "give_up", "issue", "resolve", "reverse"]

Again = Callable[[Shop], Awaitable[str]]


async def issue(shop: Shop) -> Again:
    request = c.IssueCodeRequest(
        request_id=new_id(), purpose=identification_pb2.CODE_PURPOSE_GENERAL
    )
    first = (await shop.phone.call("IssueCode", request)).code

    async def again(shop: Shop) -> str:
        second = (await shop.phone.call("IssueCode", request)).code
        return "the same code" if second == first else "another code"

    return again


async def resolve(shop: Shop) -> Again:
    code = await shop.phone.issue()
    request = shop.till.resolve_request(code, burn(5), complete_on_instruction=True)
    await shop.till.call("ResolveCode", request)
    return lambda shop: shop.till.reason("ResolveCode", request)


async def complete(shop: Shop) -> Again:
    process = await shop.scan(burn(5))
    request = terminal_service_pb2.CompleteProcessRequest(
        request_id=new_id(),
        reference=identification_pb2.ProcessReference(
            identification=identification_pb2.Identification(process_id=process.process_id)
        ),
    )
    await shop.till.call("CompleteProcess", request)
    return lambda shop: shop.till.reason("CompleteProcess", request)


async def reverse(shop: Shop) -> Again:
    process = await shop.scan(burn(5))
    await shop.till.complete(process.process_id)
    request = terminal_service_pb2.ReverseProcessRequest(
        request_id=new_id(),
        reference=identification_pb2.ProcessReference(
            identification=identification_pb2.Identification(process_id=process.process_id)
        ),
    )
    await shop.till.call("ReverseProcess", request)
    return lambda shop: shop.till.reason("ReverseProcess", request)


async def give_up(shop: Shop) -> Again:
    """Give up a request that never arrived; then it arrives."""
    code = await shop.phone.issue()
    late = shop.till.resolve_request(code, burn(5))
    request = terminal_service_pb2.ReverseProcessRequest(
        request_id=new_id(), reference=by_request(code, late.request_id)
    )
    await shop.till.call("ReverseProcess", request)
    return lambda shop: shop.till.reason("ResolveCode", late)


async def add_points(shop: Shop) -> Again:
    await shop.world.operator.add_points(shop.phone, 50, "once")

    async def again(shop: Shop) -> str:
        await shop.world.operator.add_points(shop.phone, 50, "once")
        return "OK"

    return again
