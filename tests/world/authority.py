"""The authority whose certificates servers and callers have in tests."""

from tallymark_server.tls.authority import Authority, CertificateLives
from tests.world.clock import START

__all__ = ["LONG_LIVES", "new_authority"]

LONG_LIVES = CertificateLives(
    client_seconds=10 * 365 * 86_400,
    server_seconds=10 * 365 * 86_400,
    backdated_seconds=10 * 365 * 86_400,
)
"""Good at the time that the tests' clock shows, and at the real one, which TLS looks at."""


def new_authority(lives: CertificateLives) -> Authority:
    """Return an authority that nothing keeps."""
    kept: dict[str, bytes] = {}
    return Authority.open(lambda name, make: kept.setdefault(name, make()), now=START, lives=lives)
