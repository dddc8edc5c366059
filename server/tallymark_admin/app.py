"""Builds what a command works with: whose identity, which server, one connection per command."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import click

from tallymark_admin.advice import add_advice
from tallymark_admin.calls import open_channel
from tallymark_admin.home import Home, HomeInUse
from tallymark_admin.identity import Operator
from tallymark_admin.plain import Row
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.server_lists import ServerLists
from tallymark_admin.tables import TableColumn, print_json, print_table
from tallymark_protocol.errors import Refused, TallymarkError, UnknownOutcome

__all__ = ["Admin", "pass_admin"]

AnswerT = TypeVar("AnswerT")

Work = Callable[[OperatorConnection], Awaitable[AnswerT]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Admin:
    """What the options before the command say."""

    home: Home
    server: str | None
    """Address to use instead of the stored one."""

    def ask(self, work: Work[AnswerT]) -> AnswerT:
        """Connect as the enrolled operator, do the work and return its answer.

        A certificate that is half over is renewed first.

        Raises:
            NotEnrolled: there is no usable identity.
            TallymarkError: a call failed; its notes say what may be wrong.

        """
        operator = self.home.operator()

        async def connected() -> AnswerT:
            if operator.renew_at <= datetime.now(tz=UTC):
                await self._renew()
            return await self._connected(work)

        try:
            return asyncio.run(connected())
        except TallymarkError as error:
            add_advice(error, expires_at=self.home.operator().expires_at)
            raise

    def ca_certificates(self) -> str:
        """Return the certificates of the server's authorities, in PEM."""
        return self.home.identity(self.home.operator()).ca_certificates_pem

    def show(
        self,
        columns: Sequence[TableColumn],
        rows: Callable[[ServerLists], AsyncIterator[Row]],
        *,
        as_json: bool,
        limit: int,
    ) -> None:
        """Print a list, at most `limit` rows of it unless that is 0."""

        async def work(connection: OperatorConnection) -> None:
            part = _Part(rows(connection.lists), limit=limit)
            count = await (
                print_json(part.rows()) if as_json else print_table(columns, part.rows())
            )
            if part.is_cut:
                advice = "--limit 0 shows all."
                click.echo(f"Only the first {count} are shown. {advice}", err=True)
            elif count == 0 and not as_json:
                click.echo("There are none.", err=True)

        self.ask(work)

    async def _connected(self, work: Work[AnswerT]) -> AnswerT:
        operator = self.home.operator()
        identity = self.home.identity(operator)
        async with open_channel(
            self.server or operator.server,
            ca_certificates_pem=identity.ca_certificates_pem,
            client=identity.client,
        ) as channel:
            return await work(OperatorConnection(channel))

    async def _renew(self) -> None:
        """Exchange the certificate for the next one, unless another command does that just now.

        Whatever comes between, the one in use goes on until it expires, and if it is not accepted
        any more, the call that follows says so.
        """
        try:
            with self.home.lock():
                operator = self.home.operator()
                if operator.renew_at <= datetime.now(tz=UTC):
                    await self._exchange(operator)
        except HomeInUse:
            return

    async def _exchange(self, operator: Operator) -> None:
        request = self.home.request_for(f"renewal of {operator.identity}")
        try:
            certificate = await self._connected(
                lambda connection: connection.renew_certificate(request)
            )
        except UnknownOutcome:
            return
        except Refused as error:
            self.home.forget_request()
            click.echo(f"The certificate was not renewed: {error.message}", err=True)
            return
        self.home.adopt(
            request, certificate, server=operator.server, operator_id=operator.operator_id
        )


class _Part:
    """The first rows of a list, and whether there were more."""

    def __init__(self, rows: AsyncIterator[Row], *, limit: int) -> None:
        self._rows = rows
        self._limit = limit
        self.is_cut = False

    async def rows(self) -> AsyncIterator[Row]:
        count = 0
        async for row in self._rows:
            if count == self._limit > 0:
                self.is_cut = True
                return
            yield row
            count += 1


pass_admin = click.make_pass_decorator(Admin)
