"""Calls as their callers see them: the objects, errors and deadlines of grpc.aio.

A call is sent as bytes; the weather decides what becomes of its request and of its answer. The
handler is cancelled when its caller waits no more, as grpc does it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import grpc
from grpc.aio import AbortError, AioRpcError, Metadata

from tests.simulation.hosts import Answer, Context, Handled, Host, Trailing
from tests.simulation.virtual_loop import Life
from tests.simulation.weather import STORED_SECONDS_MAX

if TYPE_CHECKING:
    from tests.simulation.network import Network

__all__ = ["Call", "Stream", "Wanted"]

BREAK_SECONDS_MAX: Final = 2.0
"""Until this a machine notices that the other one crashed; else its deadline does it."""

AGAIN_SECONDS_MAX: Final = 60.0
"""How late the second copy of a request may arrive, whatever became of the first one."""


class Wanted(NamedTuple):
    """What a caller wants: of whom, what, and for how long."""

    life: Life
    host: str
    method: str
    request: bytes
    read: Callable[[bytes], Any]
    timeout: float | None
    metadata: Trailing


class Call:
    """A call of one answer."""

    def __init__(self, network: "Network", wanted: Wanted) -> None:
        """Take the network and what is wanted of whom."""
        self.network = network
        self.life = wanted.life
        self.host = wanted.host
        self.method = wanted.method
        self.is_over = False
        """Whether the caller has its answer, or waits no more."""

        self.arrivals = 0
        self._wanted = wanted
        self._trailing = Metadata()
        self._message: asyncio.Future[Any] = network.loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """The method's short name."""
        return self.method.rpartition("/")[2]

    def __await__(self) -> Any:
        """Wait for the answer; whoever is cancelled while waiting cancels the call."""
        return self._wait().__await__()

    async def _wait(self) -> Any:
        try:
            return await self._message
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def trailing_metadata(self) -> Metadata:
        """Return what came along with the answer."""
        return self._trailing

    def cancel(self) -> bool:
        """Wait no more."""
        if self.is_over:
            return False
        self._end(Answer(grpc.StatusCode.CANCELLED))
        return True

    def send(self) -> None:
        """Send the request, as far as the weather lets it pass."""
        if self.life.is_over:
            return
        network, weather, chance = self.network, self.network.weather, self.network.chance
        self.life.at_end.append(self._hang_up)
        if self._wanted.timeout is not None:
            self._timer = network.later(self._wanted.timeout, self._time_out)
        if weather.is_cut(self.life.name, self.host):
            if chance.random() < 0.5:
                network.later(weather.delay(chance), self._refuse, "no way there")
            network.notes.reached["request cut off"] += 1
        elif weather.request_lost and chance.random() < weather.request_lost:
            network.notes.reach("request lost", self.life.name)
            if chance.random() < weather.duplicated:  # not lost, but long under way
                network.later(chance.uniform(1.0, AGAIN_SECONDS_MAX), self._arrive_late)
        elif weather.refused and chance.random() < weather.refused:
            network.later(weather.delay(chance), self._refuse, "connection reset")
        elif kept_seconds := self._kept_seconds():
            network.later(kept_seconds, self._arrive_late)
        else:
            network.later(weather.delay(chance), self._arrive)
            if weather.duplicated and chance.random() < weather.duplicated:
                again = chance.choice((weather.delay(chance), chance.uniform(0, AGAIN_SECONDS_MAX)))
                network.later(again, self._arrive_late)

    def _until(self) -> float | None:
        """Return until when the host believes its caller waits: calls carry how long, not when."""
        timeout = self._wanted.timeout
        return None if timeout is None else self.network.loop.time() + timeout

    def _kept_seconds(self) -> float:
        """Return how long the request is kept on its way; 0 if it is not."""
        network, weather, chance = self.network, self.network.weather, self.network.chance
        held_seconds = weather.held_seconds(self.life.name, self.name, network.loop.time())
        if held_seconds:
            return held_seconds + chance.uniform(0.0, held_seconds / 3)
        if self.method in network.stored and chance.random() < weather.stored:
            return chance.uniform(20.0, STORED_SECONDS_MAX)
        return 0.0

    def _arrive(self) -> None:
        if not self.is_over:  # else the host hears of the end together with the request
            self._reach_host()

    def _arrive_late(self) -> None:
        """Arrive whether or not the caller still waits."""
        if self.is_over:
            self.network.notes.reach("request arrived after its caller gave up", self.life.name)
        self._reach_host()

    def _reach_host(self) -> None:
        host = self.network.hosts.get(self.host)
        if host is None or host.life.is_over:
            self._refuse("connection refused")
            return
        self.arrivals += 1
        if self.arrivals > 1:
            self.network.notes.reach("request duplicated", self.life.name)
        task = self.network.loop.start(host.life, self._serve(host))
        place = (self, self.arrivals)
        host.calls[place] = task
        task.add_done_callback(lambda _: host.calls.pop(place, None))

    async def _serve(self, host: Host) -> None:
        """Run the handler at the host, and send what it answers."""
        context = Context(self.network.loop, self.life.name, self._wanted.metadata, self._until())
        handled = await self._handled(host, context)
        self.network.hear(self, handled)
        self._reply(handled.answer)

    async def _handled(self, host: Host, context: Context) -> Handled:
        handler = await host.handler(self.method, self._wanted.metadata)
        request = handler.request_deserializer(self._wanted.request)
        try:
            response = await handler.unary_unary(request, context)
        except AbortError:
            assert context.aborted is not None, "the handler has aborted"
            return Handled(context.aborted, request)
        except asyncio.CancelledError:
            return Handled(Answer(grpc.StatusCode.CANCELLED), request)
        message = handler.response_serializer(response)
        answer = Answer(grpc.StatusCode.OK, message, trailing=context.trailing)
        return Handled(answer, request, response)

    def _reply(self, answer: Answer) -> None:
        network, weather, chance = self.network, self.network.weather, self.network.chance
        if weather.is_deaf(self.life.name, self.host):
            network.notes.reach("reply cut off", self.host)
        elif weather.reply_lost and chance.random() < weather.reply_lost:
            is_done = answer.code is grpc.StatusCode.OK
            network.notes.reach("reply lost after commit" if is_done else "refusal lost", self.host)
        else:
            network.later(weather.delay(chance), self._end, answer)

    def _refuse(self, why: str) -> None:
        self._end(Answer(grpc.StatusCode.UNAVAILABLE, details=why))

    def _time_out(self) -> None:
        self._end(Answer(grpc.StatusCode.DEADLINE_EXCEEDED, details="Deadline Exceeded"))

    def _end(self, answer: Answer) -> None:
        """Give the caller its answer, if it still waits; the handler is cancelled if it runs."""
        if self.is_over:
            return
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._forget()
        self._cancel_handlers()
        self._trailing = Metadata(*answer.trailing)
        if self._message.done():
            return
        if answer.code is grpc.StatusCode.OK:
            self._message.set_result(self._wanted.read(answer.message))
        elif answer.code is grpc.StatusCode.CANCELLED:
            self._message.cancel()
        else:
            error = AioRpcError(answer.code, Metadata(), self._trailing, answer.details)
            self._message.set_exception(error)

    def _cancel_handlers(self) -> None:
        host = self.network.hosts.get(self.host)
        if host is None or host.life.is_over:
            return
        for number in range(1, self.arrivals + 1):
            task = host.calls.get((self, number))
            if task is not None:
                self.network.later(0.001, task.cancel)

    def _hang_up(self) -> None:
        """Notice that the caller crashed."""
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._cancel_handlers()

    def _forget(self) -> None:
        if not self.life.is_over:
            self.life.at_end.remove(self._hang_up)

    def break_off(self) -> None:
        """Notice, or not, that the host crashed."""
        network = self.network
        if not network.weather.is_cut(self.life.name, self.host):
            seconds = network.chance.uniform(0.001, BREAK_SECONDS_MAX)
            network.later(seconds, self._refuse, "connection reset")


class Stream(Call):
    """A call of many answers: iterate over it."""

    def __init__(self, network: "Network", wanted: Wanted) -> None:
        """Take what a call takes."""
        super().__init__(network, wanted)
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._news_at = 0.0

    def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over the messages; raises as grpc.aio does."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[Any]:
        while True:
            message = await self._arrived.get()
            if isinstance(message, AioRpcError):
                raise message
            if message is None:
                return
            yield message

    async def _serve(self, host: Host) -> None:
        context = Context(self.network.loop, self.life.name, self._wanted.metadata, self._until())
        answer = Answer(grpc.StatusCode.OK)
        try:
            handler = await host.handler(self.method, self._wanted.metadata)
            request = handler.request_deserializer(self._wanted.request)
            async for message in handler.unary_stream(request, context):
                if not self._tell(handler.response_serializer(message)):
                    return
        except AbortError:
            assert context.aborted is not None, "the handler has aborted"
            answer = context.aborted
        except asyncio.CancelledError:
            return
        self._tell_in_order(self._end, answer)

    def _tell(self, message: bytes) -> bool:
        """Send a message; a stream that loses one is broken."""
        weather, chance = self.network.weather, self.network.chance
        is_cut = weather.is_deaf(self.life.name, self.host)
        if self.is_over or is_cut or (weather.reply_lost and chance.random() < weather.reply_lost):
            self._tell_in_order(self._refuse, "stream broken")
            return False
        self._tell_in_order(self._take, message)
        return True

    def _take(self, message: bytes) -> None:
        if not self.is_over:
            self._arrived.put_nowait(self._wanted.read(message))

    def _tell_in_order(self, what: Callable[..., object], *args: Any) -> None:
        network = self.network
        now = network.loop.time()
        self._news_at = max(self._news_at, now + network.weather.delay(network.chance)) + 1e-6
        network.later(self._news_at - now, what, *args)

    def _end(self, answer: Answer) -> None:
        if self.is_over:
            return
        super()._end(answer)
        if answer.code is grpc.StatusCode.OK:
            self._arrived.put_nowait(None)
        else:
            error = AioRpcError(answer.code, Metadata(), self._trailing, answer.details)
            self._arrived.put_nowait(error)
        if not self._message.cancelled():
            self._message.exception()  # told by the iterator
