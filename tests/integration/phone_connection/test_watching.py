"""Streams of the phone's connection: heard, lost, resumed, and given up."""

from contextlib import aclosing

import pytest

from tallymark.v1 import process_pb2
from tallymark_phone.processes import ProcessEvent, ProcessState
from tallymark_phone.server_connection import PhoneConnection
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_service import CustomerServiceDouble

from .connection import connect_to_nobody, process


async def test_watching_hears_of_changes_as_they_happen(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    await double.happen(process())

    async with aclosing(phone.watch_processes()) as events:
        first = await anext(events)
        await double.happen(process(process_pb2.PROCESS_STATE_INSTRUCTED))
        second = await anext(events)

    assert first.process.state is ProcessState.AWAITING_CUSTOMER
    assert (second.event, second.process.state) == (2, ProcessState.INSTRUCTED)


async def test_a_lost_stream_is_resumed_where_it_stopped(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    losses: list[UnknownOutcome] = []
    await double.happen(process())
    double.end_streams = 1

    async with aclosing(phone.watch_processes(on_lost=losses.append)) as events:
        await anext(events)
        await double.happen(process(process_pb2.PROCESS_STATE_INSTRUCTED))
        second = await anext(events)

    assert isinstance(second, ProcessEvent)
    assert second.event == 2
    assert double.watched_from == [0, 1]
    assert [loss.message for loss in losses] == [
        "The server does not answer: the network went away"
    ]


async def test_watching_ends_after_several_losses_in_a_row() -> None:
    losses: list[UnknownOutcome] = []

    async with connect_to_nobody() as phone:
        with pytest.raises(UnknownOutcome):
            async for _ in phone.watch_processes(on_lost=losses.append):
                pass

    assert len(losses) == 4


async def test_watching_ends_at_a_refusal(
    phone: PhoneConnection, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [Refused(Reason.SESSION_EXPIRED)]

    with pytest.raises(Refused) as refused:
        async for _ in phone.watch_processes():
            pass

    assert refused.value.reason is Reason.SESSION_EXPIRED
