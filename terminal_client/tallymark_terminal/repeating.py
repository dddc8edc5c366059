"""Make the same call again until it is answered, because a lost answer is no answer."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_terminal.processes import Process

__all__ = ["PATIENCE_SECONDS", "Progress", "Repeater", "is_not_accepted"]

PATIENCE_SECONDS: Final = 30.0
"""How long one call is repeated while a customer waits. The journal goes on where this ends."""

RETRY_WAIT_SECONDS: Final = 1.0
"""Between two tries, unless the server asks for more."""

_NOT_ACCEPTED_REASONS: Final = frozenset(
    {
        Reason.CREDENTIALS_MISSING,
        Reason.CREDENTIALS_INVALID,
        Reason.SESSION_EXPIRED,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CALLER_NOT_ALLOWED,
        Reason.TERMINAL_NOT_DELEGATED,
    }
)

_Answer = TypeVar("_Answer")


class Progress(Protocol):
    """Tells the cashier what is being waited for."""

    def waiting(self, process: Process) -> None:
        """Tell that the process is not decided yet."""

    def no_answer(self, doing: str) -> None:
        """Tell that no answer came while `doing` this, and that it is asked again."""


class Repeater:
    """Repeats one call at a time; each repetition is the same request with the same request_id."""

    def __init__(
        self,
        *,
        steady: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        progress: Progress,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Take a clock that never goes back, a way to wait, and how long to go on."""
        self.patience_seconds = patience_seconds
        self._steady = steady
        self._sleep = sleep
        self._progress = progress

    async def until_answered(
        self, send: Callable[[], Awaitable[_Answer]], *, doing: str, is_first: bool = False
    ) -> _Answer:
        """Return the answer.

        `is_first` says that nothing was sent before: only then a refusal of the terminal itself
        (it was revoked, say) tells that nothing was done.

        Raises:
            Refused: the server said no.
            UnknownOutcome: patience is at its end; the same call must be made again later.

        """
        give_up_at = self._steady() + self.patience_seconds
        while True:
            try:
                return await send()
            except UnknownOutcome as unknown:
                is_first = False
                wait_seconds = max(unknown.retry_after_seconds, RETRY_WAIT_SECONDS)
                if self._steady() + wait_seconds > give_up_at:
                    raise
                self._progress.no_answer(doing)
            except Refused as refused:
                # It says who may call, not what became of an earlier try whose answer was lost.
                if is_not_accepted(refused) and not is_first:
                    raise UnknownOutcome(refused.reason, message=refused.message) from None
                raise
            await self._sleep(wait_seconds)


def is_not_accepted(error: TallymarkError) -> bool:
    """Say whether the server refused the terminal itself, and not what it asked for."""
    return isinstance(error, Refused) and error.reason in _NOT_ACCEPTED_REASONS
