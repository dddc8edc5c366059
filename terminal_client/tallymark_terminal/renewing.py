"""Keeps the certificate from ending: asks for the next one when half of its life is over.

The next certificate is for a new key, so that a copy of an old one is soon worth nothing. A lost
answer costs nothing either: the same request is sent again, see identity_files.py.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from tallymark_protocol.errors import Refused, TallymarkError
from tallymark_terminal.home import Home, HomeUnusable
from tallymark_terminal.identity import Identity
from tallymark_terminal.repeating import is_not_accepted
from tallymark_terminal.request_ids import RequestIds
from tallymark_terminal.server_clock import ServerClock
from tallymark_terminal.server_connection import ServerConnection

__all__ = ["RENEW_AGAIN_SECONDS", "Renewal"]

RENEW_AGAIN_SECONDS: Final = 600.0
"""Between two tries that failed. There are 36 hours to go, by the server's default."""


class Renewal:
    """The certificate of one running terminal."""

    def __init__(  # noqa: PLR0913 - the parts of a terminal, all by keyword
        self,
        *,
        home: Home,
        identity: Identity,
        server: ServerConnection,
        clock: ServerClock,
        request_ids: RequestIds,
        warn: Callable[[str], None],
    ) -> None:
        """Take the parts, and who the terminal is now."""
        self.identity = identity
        self._home = home
        self._server = server
        self._clock = clock
        self._request_ids = request_ids
        self._warn = warn
        self._not_before = 0.0
        """Steady clock's time of the next try, after one that failed."""

    async def renew_if_due(self) -> None:
        """Renew once the server's time says so; a failure is shown, and tried again later."""
        if not self._clock.is_set or self._clock.now() < self.identity.certificate.renew_at:
            return
        if self._clock.steady() < self._not_before:
            return
        try:
            await self.renew()
        except (TallymarkError, HomeUnusable, OSError) as error:
            self._not_before = self._clock.steady() + RENEW_AGAIN_SECONDS
            end = self.identity.certificate.expires_at
            self._warn(
                f"The certificate could not be renewed. It ends {end:%Y-%m-%d %H:%M} UTC; after "
                f"that this terminal has to be enrolled again. {error}"
            )

    async def renew(self) -> Identity:
        """Get the next certificate, present it from the next call on, and return who this is.

        Raises:
            TallymarkError: there is none; nothing has changed, and trying again is safe.
            HomeUnusable: the files cannot be used; the old certificate is still good.

        """
        stored = await asyncio.to_thread(self._home.read_identity)
        if stored.certificate == self.identity.certificate:
            stored = await self._ask()
        # Else another process of this terminal was faster.
        self.identity = stored
        await self._server.present(stored)
        return stored

    async def _ask(self) -> Identity:
        files = self._home.identity_files
        attempt = await asyncio.to_thread(
            files.attempt, f"renew {self.identity.terminal_id}", new_id=self._request_ids.new()
        )
        try:
            certificate = await self._server.renew_certificate(attempt)
        except Refused as refused:
            # Whoever is not accepted now may be later; any other no is final for this request.
            if not is_not_accepted(refused):
                await asyncio.to_thread(files.forget, attempt)
            raise
        await asyncio.to_thread(files.keep_renewal, attempt, certificate)
        return await asyncio.to_thread(self._home.read_identity)
