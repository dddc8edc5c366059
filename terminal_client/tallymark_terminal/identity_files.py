"""The files that make the terminal who it is: key, certificate, whom it trusts, and its names.

    client.key      private key; it never leaves this computer
    client.pem      certificate for it
    ca.pem          certificates that the server's own must come from
    terminal.json   ids and names, the server's address, when to renew and when it ends
    request.json    the request for a certificate that has not been answered yet

A new key comes first, as client.new.key, then request.json, and only then the request is sent. So
a lost answer costs nothing: the same request is sent again and gets the same certificate. When the
answer is here, a Switch puts it and the new key in place of the old ones. A crash at any point
leaves a key with its certificate, and several processes may use the files at once.
"""

import contextlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from tallymark_protocol.certificate_request import ClientKey
from tallymark_terminal.identity import Certificate, CertificateAttempt, Enrolment, Identity
from tallymark_terminal.private_files import (
    HomeUnusable,
    Switch,
    locked,
    make_private_folder,
    read_private_file,
    write_private_file,
)

__all__ = ["IdentityFiles"]

_KEY: Final = "client.key"
_CERTIFICATE: Final = "client.pem"
_AUTHORITIES: Final = "ca.pem"
_TERMINAL: Final = "terminal.json"


class IdentityFiles:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when something is first written."""
        self._folder = folder
        self._switch = Switch(folder, names=(_AUTHORITIES, _TERMINAL, _KEY), mark=_CERTIFICATE)
        self._new_key = self._switch.new(_KEY)
        self._request = folder / "request.json"

    def read(self) -> Identity:
        """Return who this terminal is; raises HomeUnusable if it is not enrolled."""
        terminal = self._folder / _TERMINAL
        if not terminal.exists() and not self._switch.new(_TERMINAL).exists():
            raise HomeUnusable(self._not_enrolled())
        with self._locked():
            return self._read()

    def attempt(self, purpose: str, *, new_id: str) -> CertificateAttempt:
        """Return the request to ask for a certificate with, on the disk with its key.

        It is that of an unanswered attempt for the same purpose, else a new one with `new_id` and
        a new key.
        """
        with self._locked():
            earlier = self._unanswered()
            if earlier is not None and earlier.purpose == purpose:
                return earlier
            key = ClientKey.generate()
            attempt = CertificateAttempt(
                request_id=new_id, purpose=purpose, certificate_request=key.certificate_request()
            )
            write_private_file(self._new_key, key.to_pem())
            write_private_file(self._request, _request_text(attempt, key))
            return attempt

    def keep_enrolment(
        self, attempt: CertificateAttempt, enrolment: Enrolment, *, server: str
    ) -> Identity:
        """Keep who the terminal now is; `server` is HOST:PORT of the later calls."""
        with self._locked():
            key = self._waiting_key(attempt)
            if key is not None:
                self._replace(
                    Identity(
                        server=server,
                        terminal_id=enrolment.terminal_id,
                        merchant_id=enrolment.merchant_id,
                        merchant_name=enrolment.merchant_name,
                        certificate=enrolment.certificate,
                        key=key,
                    )
                )
            return self._read()

    def keep_renewal(self, attempt: CertificateAttempt, certificate: Certificate) -> Identity:
        """Keep the next certificate of the same terminal."""
        with self._locked():
            key = self._waiting_key(attempt)
            if key is not None:
                self._replace(replace(self._read(), certificate=certificate, key=key))
            return self._read()

    def forget(self, attempt: CertificateAttempt) -> None:
        """Drop a request that was refused for good."""
        with self._locked():
            if self._unanswered() == attempt:
                self._request.unlink()
                self._new_key.unlink()

    def _waiting_key(self, attempt: CertificateAttempt) -> ClientKey | None:
        """Return the key of a request, or None if another process has kept its answer already."""
        if self._unanswered() != attempt:
            return None
        return ClientKey.from_pem(read_private_file(self._new_key))

    def _replace(self, identity: Identity) -> None:
        """Put a new identity in place; its key lies ready."""
        if not identity.certificate.fits(identity.key):
            message = "the server gave a certificate that does not fit this terminal's key"
            raise HomeUnusable(message)
        self._switch.decide(
            {
                _AUTHORITIES: identity.certificate.ca_certificates_pem.encode(),
                _TERMINAL: _terminal_text(identity),
                _CERTIFICATE: identity.certificate.certificate_pem.encode(),
            }
        )
        self._switch.finish()
        self._request.unlink()

    def _read(self) -> Identity:
        try:
            fields = json.loads(read_private_file(self._folder / _TERMINAL))
        except FileNotFoundError:
            raise HomeUnusable(self._not_enrolled()) from None
        except (ValueError, RecursionError):
            fields = {}
        identity = None
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            identity = Identity(
                server=fields["server"],
                terminal_id=fields["terminal_id"],
                merchant_id=fields["merchant_id"],
                merchant_name=fields["merchant_name"],
                certificate=Certificate(
                    certificate_pem=self._text(_CERTIFICATE),
                    ca_certificates_pem=self._text(_AUTHORITIES),
                    renew_at=datetime.fromisoformat(fields["renew_at"]),
                    expires_at=datetime.fromisoformat(fields["expires_at"]),
                ),
                key=ClientKey.from_pem(read_private_file(self._folder / _KEY)),
            )
        if identity is None or not identity.certificate.fits(identity.key):
            message = (
                f"the terminal's files in {self._folder} are damaged, or of an earlier version; "
                "enrol again"
            )
            raise HomeUnusable(message)
        return identity

    def _unanswered(self) -> CertificateAttempt | None:
        """Return the request that waits for its answer, if its key is here too."""
        with contextlib.suppress(
            FileNotFoundError, ValueError, KeyError, TypeError, RecursionError
        ):
            fields = json.loads(read_private_file(self._request))
            key = ClientKey.from_pem(read_private_file(self._new_key))
            if fields["key_hash"] == key.key_hash():
                return CertificateAttempt(
                    request_id=fields["request_id"],
                    purpose=fields["purpose"],
                    certificate_request=b64decode(fields["certificate_request"], validate=True),
                )
        return None

    def _text(self, name: str) -> str:
        return read_private_file(self._folder / name).decode("ascii")

    def _not_enrolled(self) -> str:
        return f"no terminal is enrolled in {self._folder}; run tallymark-terminal enrol"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes out for a moment, and finish what a crash left of a switch."""
        make_private_folder(self._folder)
        with locked(self._folder / "identity.lock", waits=True):
            self._switch.finish()
            yield


def _terminal_text(identity: Identity) -> bytes:
    fields = {
        "server": identity.server,
        "terminal_id": identity.terminal_id,
        "merchant_id": identity.merchant_id,
        "merchant_name": identity.merchant_name,
        "renew_at": identity.certificate.renew_at.isoformat(),
        "expires_at": identity.certificate.expires_at.isoformat(),
    }
    return json.dumps(fields, indent=2).encode()


def _request_text(attempt: CertificateAttempt, key: ClientKey) -> bytes:
    fields = {
        "request_id": attempt.request_id,
        "purpose": attempt.purpose,
        "certificate_request": b64encode(attempt.certificate_request).decode(),
        "key_hash": key.key_hash(),
    }
    return json.dumps(fields, indent=2).encode()
