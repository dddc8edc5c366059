"""Keeps a cast able to call: certificates and sessions are renewed before they end.

A certificate whose half is over is exchanged; a terminal whose certificate has ended is let enrol
once more by the operator. A session that ends soon is followed by another one.
"""

import uuid
from dataclasses import replace
from typing import Final

from tallymark_load.cast.calls import each, patiently
from tallymark_load.cast.enrolling import (
    enrol_terminal,
    let_in_again,
    renewed_operator,
    renewed_terminal,
)
from tallymark_load.cast.lines import Lines
from tallymark_load.cast.members import Cast, Customer, Terminal
from tallymark_load.cast.operator_home import NoOperator
from tallymark_load.cast.phone_requests import sign_in_request
from tallymark_load.cast.preparing import Watcher
from tallymark_protocol.timestamps import to_milliseconds

__all__ = ["renew"]

_SESSION_LEFT_MS: Final = 6 * 3_600_000
"""A session that ends within six hours is renewed; a load may take long."""


async def renew(cast: Cast, lines: Lines, watcher: Watcher, *, now_ms: int) -> None:
    """Renew what has ended or soon will, and keep the cast; `now_ms` is since 1970.

    Raises:
        NoOperator: the operator's own certificate has ended.
        TallymarkError: a call failed for good. What was renewed until then is kept.

    """
    await _renew_operator(cast, lines, watcher, now_ms)
    renewing = _Renewing(cast, lines, watcher)
    await renewing.terminals(now_ms)
    await renewing.customers(now_ms)


async def _renew_operator(cast: Cast, lines: Lines, watcher: Watcher, now_ms: int) -> None:
    operator = cast.operator
    if operator is None or operator.renew_at_ms > now_ms:
        return
    if operator.expires_at_ms <= now_ms:
        message = (
            "the certificate of the cast's operator has ended; run `tallymark-load prepare` again"
            " with --operator or --enrolment-code-file"
        )
        raise NoOperator(message)
    cast.operator = await renewed_operator(lines.operators(operator.identity), operator)
    await watcher.keep(cast)


class _Renewing:
    def __init__(self, cast: Cast, lines: Lines, watcher: Watcher) -> None:
        self._cast = cast
        self._lines = lines
        self._watcher = watcher
        self._done = 0

    async def terminals(self, now_ms: int) -> None:
        due = [one for one in self._cast.terminals.values() if one.renew_at_ms <= now_ms]

        async def renew_one(terminal: Terminal) -> None:
            if terminal.expires_at_ms <= now_ms:
                await self._enrol_again(terminal)
            else:
                stub = self._lines.terminals(terminal.identity)
                self._cast.terminals[terminal.name] = await renewed_terminal(stub, terminal)
            self._tell("certificates", len(due))

        self._done = 0
        await each(due, renew_one, self._kept)

    async def customers(self, now_ms: int) -> None:
        until = now_ms + _SESSION_LEFT_MS
        due = [one for one in self._cast.customers.values() if one.session_expires_at_ms <= until]
        phones = self._lines.phones()

        async def sign_in(customer: Customer) -> None:
            request = sign_in_request(customer, str(uuid.uuid4()))
            answer = await patiently(phones.SignIn, request, waiting=self._watcher.waiting)
            self._cast.customers[customer.name] = replace(
                customer,
                session_token=answer.session_token,
                session_expires_at_ms=to_milliseconds(answer.session_expires_at),
            )
            self._tell("sessions", len(due))

        self._done = 0
        await each(due, sign_in, self._kept)

    async def _enrol_again(self, terminal: Terminal) -> None:
        assert self._cast.operator is not None, "who enrols terminals is enrolled"
        operators = self._lines.operators(self._cast.operator.identity)
        drawn = await let_in_again(operators, terminal)
        # Before the code is used: its answer may get lost.
        self._cast.terminals[terminal.name] = drawn
        await self._kept()
        self._cast.terminals[terminal.name], self._cast.server = await enrol_terminal(
            self._lines.enrolling_terminals(),
            drawn,
            self._cast.server,
            self._watcher.waiting,
        )

    async def _kept(self) -> None:
        await self._watcher.keep(self._cast)

    def _tell(self, step: str, total: int) -> None:
        self._done += 1
        self._watcher.progress(step, self._done, total)
