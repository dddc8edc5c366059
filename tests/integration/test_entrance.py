"""More calls than are answered at once: who is sent away, how, and who is not."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import operator_service_pb2 as o
from tallymark.v1 import process_pb2
from tallymark.v1 import terminal_service_pb2 as t
from tallymark_protocol.errors import NotDone
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.model.journal import JournalEntry
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.state import Key, Row
from tallymark_server.keyring import Keyring
from tallymark_server.lanes import lane
from tallymark_server.services import entrance
from tallymark_server.services.entrance import Entrance
from tallymark_server.services.interceptors import _refuse_if_late
from tallymark_server.storage.memory import MemoryStore
from tests.integration.lane_ground import furnish, lane_over, name_of, remove_card, revoke_codes
from tests.world.actions import burn, charge
from tests.world.actor import Actor
from tests.world.calls import Call, failure_of, rows_in
from tests.world.clock import until
from tests.world.messages import by_process, new_id
from tests.world.serving import world
from tests.world.shop import Shop, open_shop
from tests.world.signed_requests import register_request


class HeldStore(MemoryStore):
    """Saves nothing while it is held, so that calls stay inside."""

    def __init__(self) -> None:
        super().__init__()
        self.may_save = asyncio.Event()
        self.may_save.set()

    async def save(
        self,
        changes: Mapping[Key[Any], Row | None],
        entries: Sequence[JournalEntry],
        new: Collection[Key[Any]] = frozenset(),
    ) -> None:
        await self.may_save.wait()
        await super().save(changes, entries, new)


@asynccontextmanager
async def crowded(keyring: Keyring, patch: pytest.MonkeyPatch, calls: int) -> AsyncIterator[Shop]:
    """Serve a shop with four places, one more for what ends, and so many calls inside."""
    patch.setattr(entrance, "STRANGERS_MAX", 2)
    patch.setattr(entrance, "BEGINNING_MAX", 4)
    patch.setattr(entrance, "ENDING_MAX", 5)
    store = HeldStore()
    async with world(store, keyring) as made:
        shop = await open_shop(made)
        shop.process = await shop.scan(burn(1))  # type: ignore[attr-defined]  # for these tests
        store.may_save.clear()
        inside = [asyncio.create_task(shop.phone.issue()) for _ in range(calls)]
        await until(lambda: made.app.entrance.inside == calls)
        yield shop
        store.may_save.set()
        assert all([await one for one in inside]), "whoever was let in is answered"
        assert made.app.entrance.inside == 0


def wallet(shop: Shop) -> Call:
    return Call(shop.phone, "GetWallet", c.GetWalletRequest())


async def test_one_call_too_many_is_told_when_to_come_again(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crowded(keyring, monkeypatch, 4) as shop:
        before = await rows_in(shop.world.store)
        request = c.RevokeCodeRequest(request_id="no request at all")

        failure = await failure_of(Call(shop.phone, "GetWallet", c.GetWalletRequest()))
        unread = await failure_of(Call(shop.phone, "IssueCode", request))

        assert failure.status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert failure.reason == unread.reason == "OVERLOADED"
        assert isinstance(failure.error, NotDone)
        retry = failure.detail(error_details_pb2.RetryInfo)
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() == 100
        assert failure.trailing["grpc-retry-pushback-ms"] == "100"
        assert shop.world.app.entrance.turned_away == 2
        assert await rows_in(shop.world.store) == before


async def test_there_is_a_place_again_when_somebody_leaves(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crowded(keyring, monkeypatch, 4) as shop:
        shop.world.store.may_save.set()  # type: ignore[attr-defined]  # a HeldStore
        await until(lambda: shop.world.app.entrance.inside == 0)

        await shop.phone.wallet()


async def test_what_ends_something_finds_a_place_when_nothing_else_does(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crowded(keyring, monkeypatch, 4) as shop:
        reference = by_process(shop.process.process_id)  # type: ignore[attr-defined]  # set above
        request = t.CompleteProcessRequest(request_id=new_id(), reference=reference)
        looked_up = t.GetProcessRequest(reference=reference)

        assert await shop.till.reason("ListVerificationKeys", t.ListVerificationKeysRequest()) == (
            "OVERLOADED"
        )
        assert await shop.till.reason("GetProcess", looked_up) == "OK"
        assert await shop.world.operator.reason("GetPolicy", o.GetPolicyRequest()) == "OK"
        completing = asyncio.create_task(shop.till.call("CompleteProcess", request))
        await until(lambda: shop.world.app.entrance.inside == 5)
        assert await shop.till.reason("GetProcess", looked_up) == "OVERLOADED"
        shop.world.store.may_save.set()  # type: ignore[attr-defined]  # a HeldStore
        assert (await completing).process.state == process_pb2.PROCESS_STATE_COMPLETED


async def test_strangers_find_no_place_when_others_still_do(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with crowded(keyring, monkeypatch, 2) as shop:
        request = register_request("bob", shop.phone.device_key)

        assert await Actor(shop.phone.stub).reason("RegisterCustomer", request) == "OVERLOADED"
        await shop.phone.wallet()


async def test_who_waits_for_a_customer_takes_no_place(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.world.operator.set_policy(confirm_money_from=1)
    app = shop.world.app
    waiting = asyncio.create_task(shop.scan(charge(100)))
    await until(lambda: app.entrance.aside == 1)
    assert app.entrance.inside == 0

    (process,) = await shop.phone.processes()
    monkeypatch.setattr(entrance, "ASIDE_MAX", 1)
    told_at_once = await shop.scan(charge(100))
    await shop.phone.confirm(process.process_id, approve=False)

    assert told_at_once.state == process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
    assert (await waiting).state == process_pb2.PROCESS_STATE_DECLINED
    assert (app.entrance.aside, app.entrance.inside) == (0, 0)
    assert len(await shop.world.store.scan(Process, 0, limit=10)) == 2


class LateCall:
    """A call whose deadline has passed."""

    def time_remaining(self) -> float:
        return 0.0


def test_a_call_whose_deadline_has_passed_is_not_begun() -> None:
    with pytest.raises(NotDone) as refused:
        _refuse_if_late(LateCall())  # type: ignore[arg-type]  # all that is asked of it

    assert refused.value.reason is Reason.OVERLOADED


def test_connections_are_told_to_come_one_after_another() -> None:
    now = 50.0
    door = Entrance(now=lambda: now)

    told = [door._comeback_milliseconds(f"ipv4:10.0.0.1:{port}") for port in range(3_000)]  # noqa: SLF001 -- pure but for the clock
    again = door._comeback_milliseconds("ipv4:10.0.0.1:2000")  # noqa: SLF001 -- the same

    assert told[:3] == [100, 100, 100]
    assert told[1_000] == 4_100
    assert max(told) == 10_000
    assert told == sorted(told)
    assert again == told[2_000], "a connection has one time"

    now += 11
    assert door._comeback_milliseconds("ipv4:10.0.0.1:2000") == 100  # noqa: SLF001 -- the same


async def test_a_full_queue_still_takes_what_ends_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lane, "QUEUE_MAX", 1)
    monkeypatch.setattr(lane, "ENDING_MAX", 1)
    store = MemoryStore()
    await furnish(store, 4)
    async with lane_over(store) as made:
        commands = [
            remove_card(name_of(0)),
            remove_card(name_of(1)),
            revoke_codes(name_of(2)),
            revoke_codes(name_of(3)),
        ]
        answers = await asyncio.gather(
            *(made.submit(command) for command in commands), return_exceptions=True
        )

    reasons = [getattr(answer, "reason", None) for answer in answers]
    assert reasons == [None, Reason.OVERLOADED, None, Reason.OVERLOADED]
