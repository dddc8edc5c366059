"""Builds what a command works with: whose credentials, which server, one connection per command."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from tallymark_admin.calls import open_channel
from tallymark_admin.credentials import read_credentials
from tallymark_admin.plain import Row
from tallymark_admin.server_connection import OperatorConnection
from tallymark_admin.server_lists import ServerLists
from tallymark_admin.tables import TableColumn, print_json, print_table

__all__ = ["Admin", "pass_admin"]

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Admin:
    """What the options before the command say."""

    home: Path
    """Folder of the credentials."""
    server: str | None
    """Address to use instead of the stored one."""

    def ask(self, work: Callable[[OperatorConnection], Awaitable[AnswerT]]) -> AnswerT:
        """Connect as the enrolled operator, do the work and return its answer.

        Raises:
            NotEnrolled: there are no credentials.
            TallymarkError: a call failed.

        """
        credentials = read_credentials(self.home)
        return self.ask_as(
            work,
            server=self.server or credentials.server,
            operator_secret=credentials.operator_secret,
        )

    def ask_as(
        self,
        work: Callable[[OperatorConnection], Awaitable[AnswerT]],
        *,
        server: str,
        operator_secret: str,
    ) -> AnswerT:
        """Connect to a server with a secret, or an empty one, and do the work."""

        async def connected() -> AnswerT:
            async with open_channel(server) as channel:
                return await work(OperatorConnection(channel, operator_secret=operator_secret))

        return asyncio.run(connected())

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
