"""How clients of Tallymark speak TLS: whom they trust, and what they present."""

from collections.abc import Sequence
from typing import NamedTuple

import grpc

__all__ = ["ClientIdentity", "open_channel"]


class ClientIdentity(NamedTuple):
    """A client certificate with its private key, both in PEM. Its repr shows neither."""

    certificate_pem: str
    private_key_pem: str

    def __repr__(self) -> str:
        """Leave the key out."""
        return "ClientIdentity(***)"


def open_channel(
    address: str,
    *,
    ca_certificates_pem: str = "",
    identity: ClientIdentity | None = None,
    options: tuple[tuple[str, int | str], ...] = (),
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> grpc.aio.Channel:
    """Return a channel to HOST:PORT over TLS 1.2 or later; whoever opens it closes it.

    The server's certificate must come from one of the authorities given, or from one that the
    system trusts if none is given, and must be for HOST. A connection that fails for that reason
    shows as UNAVAILABLE.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=ca_certificates_pem.encode() or None,
        private_key=identity.private_key_pem.encode() if identity else None,
        certificate_chain=identity.certificate_pem.encode() if identity else None,
    )
    return grpc.aio.secure_channel(address, credentials, options=options, interceptors=interceptors)
