"""Check a scanned code on the terminal, before anything is sent.

A code that cannot be good costs the server nothing and the customer no waiting. The steps, each
with the reason it gives; the same numbers stand in docs/terminal.md, in the code and in the tests:

    (1) size                  CODE_MALFORMED
    (2) decode                CODE_MALFORMED
    (3) version               CODE_MALFORMED
    (4) key and signature     CODE_KEY_UNKNOWN, CODE_NOT_GENUINE
    (5) freshness             CODE_EXPIRED, by the server's time, never the terminal's own clock
    (6) not seen before here  CODE_ALREADY_CLAIMED
    (7) not for another one   CODE_FOR_OTHER_TERMINAL

Steps 2 and 3 are one call, code_format.parse, which has finer steps of its own; the version (the
prefix) leaves a header only one form, so a wrong header counts as step 2. Steps 4 and 5 are
code_format.verify.

What passes may still be refused: whether a code was taken back, or used at another terminal, only
the server knows.

Step 4 refuses a code only by keys that were read after it was scanned. Whatever key the server used
last for a code, it lists: so a change of keys refuses nobody, at whatever moment it comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import IntEnum
from typing import Final

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_errors import (
    CodeExpired,
    CodeKeyUnknown,
    CodeMalformed,
    CodeNotGenuine,
    RejectedCode,
)
from tallymark_protocol.code_format import (
    CODE_PREFIX,
    CODE_TEXT_CHARACTERS_MAX,
    ParsedCode,
    parse,
    verify,
)
from tallymark_protocol.reasons import Reason
from tallymark_terminal.identification import CodeReference, ShownCode, reference_of
from tallymark_terminal.key_table import KeyTable
from tallymark_terminal.server_clock import ServerClock

__all__ = [
    "KEYS_AGE_SECONDS_MAX",
    "KEYS_AGE_SECONDS_MIN",
    "CheckStep",
    "CodeCheck",
    "RefusedHere",
]

KEYS_AGE_SECONDS_MAX: Final = 300.0
"""Keys and time are read again after this, so that a revoked key or a slow clock is not kept."""

KEYS_AGE_SECONDS_MIN: Final = 1.0
"""Keys are not read again before they are so old: a code that needs it waits for that long. So
forged codes take the time of whoever shows them, and cannot make the terminal flood the server."""


class CheckStep(IntEnum):
    """The step that refused a code."""

    SIZE = 1
    DECODE = 2
    VERSION = 3
    SIGNATURE = 4
    FRESHNESS = 5
    NOT_SEEN = 6
    FOR_THIS_TERMINAL = 7


class RefusedHere(Exception):
    """The code was refused on the terminal; nothing was sent. It never contains the code."""

    def __init__(self, step: CheckStep, reason: Reason, message: str) -> None:
        """Name the step, the reason as the server would give it, and details for the log."""
        super().__init__(message)
        self.step = step
        self.reason = reason
        self.seen_at: datetime | None = None


class CodeCheck:
    """Checks codes with the server's keys, epoch and time, and fetches these when needed."""

    def __init__(
        self,
        *,
        terminal_id: str,
        clock: ServerClock,
        fetch_keys: Callable[[], Awaitable[KeyTable]],
        find_earlier_use: Callable[[CodeReference], Awaitable[datetime | None]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Take who the terminal is, whom to ask for keys and for earlier uses, and how to wait."""
        self._terminal_id = terminal_id
        self._clock = clock
        self._fetch_keys = fetch_keys
        self._find_earlier_use = find_earlier_use
        self._sleep = sleep
        self._table: KeyTable | None = None
        self._reading = asyncio.Lock()

    async def check(self, text: str) -> ShownCode:
        """Return the code if every step passes.

        Raises:
            RefusedHere: a step refused it.
            TallymarkError: the keys could not be read, so nothing is known of the code.

        """
        # (1) Size, before any work that grows with it.
        if len(text) > CODE_TEXT_CHARACTERS_MAX:
            message = "the text is longer than any code"
            raise RefusedHere(CheckStep.SIZE, Reason.CODE_MALFORMED, message)

        # (2) Decode, and (3) version.
        parsed = _parse(text)

        # (4) Key and signature, and (5) freshness.
        claims = await self._verify(parsed)
        reference = reference_of(claims)

        # (6) Not seen before here. The journal remembers it, so a restart forgets nothing.
        seen_at = await self._find_earlier_use(reference)
        if seen_at is not None:
            message = f"the code was shown here before, at {seen_at:%H:%M:%S}"
            refused = RefusedHere(CheckStep.NOT_SEEN, Reason.CODE_ALREADY_CLAIMED, message)
            refused.seen_at = seen_at
            raise refused

        # (7) Not made for another terminal.
        if claims.audience not in {None, self._terminal_id}:
            message = "the code is bound to another terminal"
            raise RefusedHere(CheckStep.FOR_THIS_TERMINAL, Reason.CODE_FOR_OTHER_TERMINAL, message)
        return ShownCode(text=text, reference=reference)

    async def keys(self, *, age_seconds_max: float = KEYS_AGE_SECONDS_MAX) -> KeyTable:
        """Return the keys, read again if they are older than this."""
        async with self._reading:
            if self._table is None or self._age_seconds(self._table) > age_seconds_max:
                self._table = await self._read()
            return self._table

    async def _verify(self, parsed: ParsedCode) -> CodeClaims:
        scanned_at = self._clock.steady()
        table = await self.keys()
        try:
            return self._verify_with(table, parsed)
        except RefusedHere as refused:
            # A new key, or a new epoch after a restored backup, may explain it.
            if refused.step is not CheckStep.SIGNATURE:
                raise
        return self._verify_with(await self._keys_since(scanned_at), parsed)

    async def _keys_since(self, steady_seconds: float) -> KeyTable:
        """Return keys that were asked for after this moment; wait if others were just read."""
        async with self._reading:
            if self._table is None or self._table.asked_at_seconds <= steady_seconds:
                if self._table is not None:
                    await self._sleep(KEYS_AGE_SECONDS_MIN - self._age_seconds(self._table))
                self._table = await self._read()
            return self._table

    async def _read(self) -> KeyTable:
        table = await self._fetch_keys()
        self._clock.set(table.read_at)
        return table

    def _verify_with(self, table: KeyTable, parsed: ParsedCode) -> CodeClaims:
        try:
            return verify(
                parsed,
                keys=table.by_number,
                epoch=table.epoch,
                now_seconds=self._clock.now_at_least_seconds(),
            )
        except (CodeKeyUnknown, CodeNotGenuine) as rejected:
            raise _refused_here(CheckStep.SIGNATURE, rejected) from None
        except CodeExpired as rejected:
            raise _refused_here(CheckStep.FRESHNESS, rejected) from None

    def _age_seconds(self, table: KeyTable) -> float:
        return self._clock.steady() - table.read_at.steady_seconds


def _parse(text: str) -> ParsedCode:
    """Take the text apart; another version or foreign text is told from a damaged code."""
    try:
        return parse(text)
    except CodeMalformed as rejected:
        is_this_version = text.startswith(CODE_PREFIX)
        step = CheckStep.DECODE if is_this_version else CheckStep.VERSION
        raise _refused_here(step, rejected) from None


def _refused_here(step: CheckStep, rejected: RejectedCode) -> RefusedHere:
    return RefusedHere(step, Reason(rejected.reason), str(rejected))
