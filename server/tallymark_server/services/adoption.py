"""Keys that were certified after the backup which was restored: their certificates prove it.

Certificates live for three days and are renewed with a new key after half of that. Without this, a
backup of yesterday would shut out most terminals and operators, just when they are to report.
"""

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.beginning import newest_recovery
from tallymark_server.domain.answers import CertificateAnswer
from tallymark_server.domain.commands import AdoptKey, Caller
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided
from tallymark_server.services.peer_keys import PeerKey
from tallymark_server.storage.store import Store

__all__ = ["Adoption"]

_KINDS = {kind.value: kind for kind in (CallerKind.TERMINAL, CallerKind.OPERATOR)}


class Adoption:
    """Puts such keys on the list again, while a recovery is open."""

    def __init__(self, *, lane: Lane, store: Store, backdated_seconds: int) -> None:
        """Take the parts, and by how much certificates are dated back."""
        self._lane = lane
        self._store = store
        self._backdated_milliseconds = backdated_seconds * 1000

    async def adopt(self, key: PeerKey) -> None:
        """Put the key of a certificate on the list that the handshake has checked.

        Raises:
            Refused: CREDENTIALS_INVALID, unless it was certified after the backup.

        """
        kind, _, owner_id = key.name.partition("/")
        recovery = await newest_recovery(self._store)
        if kind not in _KINDS or recovery is None or not recovery.is_unsettled:
            raise Refused(Reason.CREDENTIALS_INVALID)
        command = AdoptKey(
            caller=Caller(kind=_KINDS[kind], caller_id=owner_id),
            partition=DIRECTORY,
            kind=_KINDS[kind],
            owner_id=owner_id,
            key_hash=key.key_hash,
            issued_at=key.not_before + self._backdated_milliseconds + 999,  # it has whole seconds
            expires_at=key.expires_at,
        )
        await decided(self._lane, command, CertificateAnswer)
