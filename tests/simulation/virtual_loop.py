"""An event loop without a selector: time passes only when nobody has anything left to do.

Every callback belongs to the life of a program. A life that is over is never called again, whatever
it was waiting for: that is a crash.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, NoReturn, TypeVar

__all__ = ["LIFE", "Life", "NothingLeft", "VirtualLoop"]

T = TypeVar("T")


class NothingLeft(Exception):
    """Nobody has anything to do, now or ever."""


class Life:
    """One run of a program, from its start to its end or crash."""

    def __init__(self, name: str) -> None:
        """Begin; `name` is the machine's."""
        self.name = name
        self.is_over = False
        self.turns = 0
        """How often it was called so far."""

        self.turns_max: int | None = None
        """Crash after so many calls."""

        self.at_end: list[Callable[[], object]] = []
        self.context: Context = copy_context()
        self.context.run(LIFE.set, self)

    def end(self) -> None:
        """Crash: nothing of it runs any more. Ending twice is harmless."""
        if not self.is_over:
            self.is_over = True
            for hear in self.at_end:
                hear()


LIFE: Final[ContextVar[Life]] = ContextVar("life")
"""Whose turn it is."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready in the order in which it became so, then jumps to the next timer.

    Executors are not used: their work is done at once, by the caller.
    """

    def __init__(self) -> None:
        """Start at second 0."""
        super().__init__()
        self.nobody = Life("nobody")
        self.turns = 0
        self.failures: list[dict[str, Any]] = []
        """What nobody caught."""

        self._seconds = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._tasks_before_tidying = 500
        self.set_exception_handler(lambda _, failure: self.failures.append(failure))
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]  # typeshed has no context

    def time(self) -> float:
        """Return the seconds since the start."""
        return self._seconds

    def start(self, life: Life, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run some work as part of a life."""
        return self.create_task(work, context=life.context.copy())

    def call_at(  # type: ignore[override]  # typeshed has the types of the arguments
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call at this time; of several at the same time the first one first."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def run_in_executor(  # type: ignore[override]  # typeshed wants the future of a thread
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do the work now, and tell its result in the caller's next turn."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001 -- passed on as it is
            self.call_soon(_fail, future, error)
        else:
            self.call_soon(_answer, future, result)
        return future

    def close(self) -> None:
        """Drop all tasks wherever they stand."""
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 -- dropped on purpose
                with suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()
        self._ready.clear()  # type: ignore[attr-defined]  # of BaseEventLoop
        self._timers.clear()
        super().close()

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, T],
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Keep every task: what a crash has cut off must not be tidied up by the collector."""
        task = asyncio.Task(coroutine, loop=loop, context=context)
        self._tasks.append(task)
        if len(self._tasks) > self._tasks_before_tidying:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._tasks_before_tidying = 2 * len(self._tasks) + 500
        return task

    def _run_once(self) -> None:
        ready, timers = self._ready, self._timers  # type: ignore[attr-defined]  # of BaseEventLoop
        if not ready:
            self._pass_time()
        while timers and timers[0][0] <= self._seconds:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 -- as BaseEventLoop does, here and below
                continue
            life = handle._context.get(LIFE, self.nobody)  # noqa: SLF001
            if life.is_over:
                continue
            handle._run()  # noqa: SLF001
            self.turns += 1
            life.turns += 1
            if life.turns == life.turns_max:
                life.end()

    def _pass_time(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if timers:
            self._seconds = max(self._seconds, timers[0][0])
        elif not self._stopping:  # type: ignore[attr-defined]  # of BaseEventLoop
            self._give_up()

    def _give_up(self) -> NoReturn:
        message = f"nothing happens any more after {self._seconds:.3f} s"
        raise NothingLeft(message)

    def _check_closed(self) -> None:
        """Let what a crash has left take its leave without a word, also after the end."""

    def _write_to_self(self) -> None:
        """Wake nobody: there is no thread but this one."""

    def _process_events(self, event_list: object) -> None:
        """Handle nothing: there is no selector."""


def _answer(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
