"""What may be wrong when a call fails on the way, or when the server knows the caller no more.

gRPC tells every failure of TLS as UNAVAILABLE, in words for programmers. Which words come for which
failure was measured, and tests with real connections measure it again.
"""

from datetime import UTC, datetime
from typing import Final

from tallymark_protocol.errors import TallymarkError
from tallymark_protocol.reasons import Reason

__all__ = ["add_advice"]

# In this order: the first text that the failure's details contain is the one that counts.
_OF_DETAILS: Final = {
    "certificate has expired": "The server's certificate has expired, or the clock of this computer"
    " is wrong.",
    "CERTIFICATE_VERIFY_FAILED": "The server's certificate does not come from an authority that you"
    " trust. Either this is another server, or somebody stands between you and it: nothing was"
    " sent. Check the address, and ask whoever runs the server for its file ca.pem.",
    "Hostname Verification Check failed": "The server's certificate is for other host names. Call"
    " it by one of those, or have this one added: `tallymark-server --host-name`.",
    "WRONG_VERSION_NUMBER": "What listens there does not speak TLS. Check host and port.",
    "security handshaker": "The stored key and certificates are damaged, or do not fit together.",
    "Connection refused": "Nobody listens there. Check host and port, and that the server runs.",
    "resolving": "The name of the host is not known. Check its spelling.",
    "Method not found": "That port is for others. `tallymark-admin init` takes the port of phones;"
    " every other command the one that `tallymark-admin status` shows.",
    "Socket closed": "The server closed the connection. It does that when it stops, and when it"
    " does not accept the certificate of the caller: none, an expired one, or another server's.",
}

_OF_REASONS: Final = {
    Reason.CREDENTIALS_INVALID: "Your key is not accepted (any more): you were revoked, or your key"
    " was shut out because newer ones came.",
    Reason.CERTIFICATE_EXPIRED: "It was not renewed in time: any command renews it, once half of"
    " its life is over.",
}

_ENROL_ANEW: Final = (
    "Another operator lets you in again with `tallymark-admin operators create NEW-ID --code-file"
    " FILE`; then run `tallymark-admin init --replace` with that file."
)


def add_advice(error: TallymarkError, *, expires_at: datetime | None = None) -> None:
    """Add notes to the error that say what may be wrong and what to do, if there is anything.

    `expires_at` is the end of the certificate that was presented, if there was one.
    """
    if error.reason in _OF_REASONS:
        error.add_note(_OF_REASONS[error.reason])
        error.add_note(_ENROL_ANEW)
    elif error.reason is None:
        found = [advice for text, advice in _OF_DETAILS.items() if text in error.message]
        for advice in found[:1]:
            error.add_note(advice)
        if expires_at is not None and expires_at <= datetime.now(tz=UTC):
            error.add_note(f"Your own certificate expired on {expires_at:%Y-%m-%d %H:%M} UTC.")
            error.add_note(_ENROL_ANEW)
