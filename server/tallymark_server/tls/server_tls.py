"""What the listeners show, and how it changes while they serve."""

import logging
from collections.abc import Sequence

import grpc

from tallymark_server.clock import Clock
from tallymark_server.keys.ring import KeyFacts
from tallymark_server.tls.authority import Authority

__all__ = ["ServerTls"]

_log = logging.getLogger(__name__)


class ServerTls:
    """The server's certificate, which new connections are shown; open ones go on as they are.

    The key is made at each start and never stored: nobody has to protect it, and nobody can take it
    from a backup.
    """

    def __init__(self, authority: Authority, *, clock: Clock, host_names: Sequence[str]) -> None:
        """Make the first key, for these names and addresses."""
        self.authority = authority
        self._clock = clock
        self._host_names = tuple(host_names)
        self.key_id = 0
        self.rotate(clock.now())

    def facts(self) -> list[KeyFacts]:
        """Return what may be told of the key that is shown."""
        ends_at = self._identity.expires_at
        return [KeyFacts(key_id=self.key_id, is_in_use=True, made_at=self.made_at, ends_at=ends_at)]

    def rotate(self, now: int) -> None:
        """Make a new key and certificate, and show it to new connections from now on."""
        self.made_at = now
        self._identity = self.authority.issue_server(self._host_names, now=self.made_at)
        self.key_id += 1
        _log.info("new connections are shown server certificate %d", self.key_id)

    def rotate_if_due(self) -> None:
        """Rotate when half of the certificate's life is over."""
        now = self._clock.now()
        if now >= (self.made_at + self._identity.expires_at) // 2:
            self.rotate(now)

    def credentials(self, *, ask_clients: bool) -> grpc.ServerCredentials:
        """Return what one listener is opened with; it follows every rotation.

        With `ask_clients` nobody gets a connection without a certificate of the authority.
        """
        shown = self.key_id

        def newest() -> grpc.ServerCertificateConfiguration:
            nonlocal shown
            if shown == self.key_id:
                return None  # type: ignore[return-value]  # which stands for "as before"
            shown = self.key_id
            return self._configuration()

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(), newest, require_client_authentication=ask_clients
        )

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._identity.private_key_pem, self._identity.certificate_pem)
        return grpc.ssl_server_certificate_configuration(
            [pair], self.authority.certificates_pem.encode()
        )
