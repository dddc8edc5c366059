"""Streams end when their callers may call no more, each by itself, and in nothing else's middle."""

import asyncio

import pytest

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.services import open_streams
from tallymark_server.services.open_streams import OpenStream, OpenStreams

ANA = Caller(kind=CallerKind.CUSTOMER, caller_id="ana")


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "RECHECK_SECONDS", 0.001)


async def may_call() -> Caller:
    return ANA


async def may_not_call() -> Caller:
    raise Refused(Reason.SESSION_EXPIRED)


async def test_a_wait_for_news_ends_with_what_the_caller_is_refused_for() -> None:
    streams = OpenStreams()

    async def wait(stream: OpenStream) -> None:
        with stream:
            await asyncio.Event().wait()

    allowed = asyncio.create_task(wait(OpenStream(streams, may_call)))
    with pytest.raises(Refused) as refused:
        await asyncio.create_task(wait(OpenStream(streams, may_not_call)))

    assert refused.value.reason is Reason.SESSION_EXPIRED
    assert not allowed.done()
    allowed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await allowed


async def test_what_is_being_sent_is_not_disturbed() -> None:
    looked = asyncio.Event()

    async def look() -> Caller:
        looked.set()
        return await may_not_call()

    async def send(stream: OpenStream) -> None:
        with stream:
            stream.is_sending = True
            await looked.wait()
            await asyncio.sleep(0)
            stream.is_sending = False
            await asyncio.Event().wait()

    with pytest.raises(Refused):
        await asyncio.create_task(send(OpenStream(OpenStreams(), look)))
