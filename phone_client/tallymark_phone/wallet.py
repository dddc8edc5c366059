"""What a phone keeps between two runs: whose it is, its key and session, and what is unanswered.

    account.json      server, customer and device; no secret
    device-key.pem    the private key of this phone; a secret that never leaves it
    session.json      the session token; a secret
    ca.pem            authorities to trust for this server, if they are not the system's
    watched.json      number of the last event that needs no more attention
    checkpoints.json  what the server's journal has shown
    witness           the newest witness, to be carried with the next call
    pending/          requests without an answer

The folder has mode 0700, the files 0600.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tallymark_phone.checkpoint_book import CheckpointBook
from tallymark_phone.pending_requests import PendingRequests
from tallymark_phone.private_files import make_private_folder, read_json, write_private_file
from tallymark_phone.registrations import Session
from tallymark_phone.trust import Trust
from tallymark_protocol.device_key import DevicePrivateKey, NotADeviceKey
from tallymark_protocol.witness import NewestWitness

__all__ = ["Account", "Wallet", "WalletDamaged"]


_ACCOUNT: Final = "account.json"
_SESSION: Final = "session.json"
_WATCHED: Final = "watched.json"
_DEVICE_KEY: Final = "device-key.pem"
_AUTHORITIES: Final = "ca.pem"
_WITNESS: Final = "witness"


class WalletDamaged(Exception):
    """A file of the wallet cannot be understood. The message names it, not its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Whose phone this is, and where its server is."""

    server: str
    """HOST:PORT"""

    login_name: str
    device_id: str
    device_name: str


_ACCOUNT_FIELDS: Final = {field.name for field in fields(Account)}


class Wallet:
    """The phone's folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist yet."""
        self._folder = folder
        self.pending = PendingRequests(folder / "pending")
        self.checkpoints = CheckpointBook(folder / "checkpoints.json")

    def prepare(self) -> None:
        """Make the folder and close it to others; raises FolderTooOpen."""
        make_private_folder(self._folder)

    def account(self) -> Account | None:
        """Return whose phone this is, or None if it is nobody's yet; raises WalletDamaged."""
        content = self._read(_ACCOUNT)
        if content is None:
            return None
        if set(content) != _ACCOUNT_FIELDS or not _are_texts(content.values()):
            raise self._damaged(_ACCOUNT)
        return Account(**content)

    def begin(
        self, account: Account, *, session: Session, device_key: DevicePrivateKey, trust: Trust
    ) -> None:
        """Be somebody's phone. The account comes last: without it nobody looks at the rest."""
        write_private_file(self._folder / _DEVICE_KEY, device_key.to_pem())
        self.save_trust(trust)
        self.save_session(session)
        self.save_account(account)

    def save_account(self, account: Account) -> None:
        """Keep whose phone this is."""
        self._write(_ACCOUNT, asdict(account))

    def device_key(self) -> DevicePrivateKey | None:
        """Return the key of this phone, or None if it has none; raises WalletDamaged."""
        try:
            return DevicePrivateKey.from_pem((self._folder / _DEVICE_KEY).read_bytes())
        except FileNotFoundError:
            return None
        except NotADeviceKey:
            raise self._damaged(_DEVICE_KEY) from None

    def trust(self) -> Trust:
        """Return whom to trust for this phone's server; raises NoCertificates."""
        path = self._folder / _AUTHORITIES
        return Trust.from_file(path) if path.exists() else Trust()

    def save_trust(self, trust: Trust) -> None:
        """Keep whom to trust."""
        path = self._folder / _AUTHORITIES
        if trust.ca_certificates_pem:
            write_private_file(path, trust.ca_certificates_pem.encode())
        else:
            path.unlink(missing_ok=True)

    def session(self) -> Session | None:
        """Return the session, or None if the phone is not signed in; raises WalletDamaged."""
        content = self._read(_SESSION)
        if content is None:
            return None
        try:
            expires_at = datetime.fromisoformat(content["expires_at"])
            token = content["token"]
        except (KeyError, TypeError, ValueError):
            raise self._damaged(_SESSION) from None
        if not _are_texts([token]):
            raise self._damaged(_SESSION)
        return Session(token=token, expires_at=expires_at)

    def save_session(self, session: Session) -> None:
        """Keep the session in place of the one before."""
        self._write(
            _SESSION, {"token": session.token, "expires_at": session.expires_at.isoformat()}
        )

    def forget(self) -> None:
        """Be nobody's phone again."""
        for name in (_ACCOUNT, _SESSION, _DEVICE_KEY, _AUTHORITIES, _WATCHED, _WITNESS):
            (self._folder / name).unlink(missing_ok=True)
        self.checkpoints.forget()

    def witness(self) -> NewestWitness:
        """Return the newest witness, which keeps itself; one that cannot be read is none."""
        text = ""
        with suppress(OSError, ValueError):
            text = (self._folder / _WITNESS).read_text()
        return NewestWitness(text, keep=self._keep_witness)

    def _keep_witness(self, text: str) -> None:
        """Keep a witness; a call does not fail because this one cannot be kept."""
        with suppress(OSError):
            write_private_file(self._folder / _WITNESS, text.encode())

    def watched_event(self) -> int:
        """Return the number of the last event that needs no more attention; 0 at first.

        Raises:
            WalletDamaged: as it says.

        """
        event = (self._read(_WATCHED) or {"event": 0}).get("event")
        if type(event) is not int:
            raise self._damaged(_WATCHED)
        return event

    def save_watched_event(self, event: int) -> None:
        """Keep the number of the last event that needs no more attention."""
        self._write(_WATCHED, {"event": event})

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content = read_json(self._folder / name)
        except FileNotFoundError:
            return None
        except ValueError:
            raise self._damaged(name) from None
        if not isinstance(content, dict):
            raise self._damaged(name)
        return content

    def _write(self, name: str, content: dict[str, Any]) -> None:
        write_private_file(self._folder / name, json.dumps(content, indent=2).encode())

    def _damaged(self, name: str) -> WalletDamaged:
        return WalletDamaged(
            f"{self._folder / name} is damaged. Remove it and sign in again; if it is {_ACCOUNT} or"
            f" {_DEVICE_KEY}, add this phone as a new device."
        )


def _are_texts(values: Iterable[object]) -> bool:
    """Say whether all are texts that can be sent: UTF-8 has no half of a surrogate pair."""
    return all(
        isinstance(value, str) and value == value.encode(errors="replace").decode()
        for value in values
    )
