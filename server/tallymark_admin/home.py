"""The operator's own folder: who they are, with which key, and what was asked for in vain so far.

    operator.json         who this is, at which server, and which identity is in use
    identity-HASH/        one identity, named by its key: key.pem, certificate.pem, ca.pem
    request.json          the certificate that was asked for, until its answer is stored
    audit-key.json        the first key for checkpoints that the server showed
    rotation-KIND.json    which key was to be followed by a new one, until that is certain
    lock                  held while an identity is made or changed

Everything is on the disk before it is used, and operator.json is replaced as a whole: whenever a
command is cut off, the identity from before or the new one can be used.
"""

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from tallymark_admin.identity import Certificate, CertificateRequest, Identity, Operator
from tallymark_admin.private_files import (
    is_private,
    make_private_folder,
    replace_private_file,
)
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.tls import ClientIdentity

__all__ = ["Home", "HomeInUse", "NotEnrolled"]

_OPERATOR: Final = "operator.json"
_REQUEST: Final = "request.json"
_IDENTITY: Final = "identity-"
_KEY: Final = "key.pem"
_CERTIFICATE: Final = "certificate.pem"
_CA: Final = "ca.pem"

_HASH_DIGITS: Final = 16
"""Of the key's hash in the name of its folder: two keys of one operator never share them."""


class NotEnrolled(Exception):
    """There is no usable identity. The message says what to do."""


class HomeInUse(Exception):
    """Another command is making or changing the identity in this folder."""


class Home:
    """The folder; it is made when something is first written."""

    def __init__(self, path: Path) -> None:
        """Take its path."""
        self.path = path

    @property
    def has_operator(self) -> bool:
        """Whether the folder belongs to an operator already."""
        return (self.path / _OPERATOR).exists()

    def operator(self) -> Operator:
        """Return who this is.

        Raises:
            NotEnrolled: nobody is enrolled, or what is stored is damaged.

        """
        path = self.path / _OPERATOR
        try:
            stored = json.loads(path.read_text())
            times = {name: datetime.fromisoformat(stored[name]) for name in _TIMES}
            return Operator(**{**stored, **times})
        except FileNotFoundError:
            message = f"No operator is set up in {self.path}. Run `tallymark-admin init` first."
            raise NotEnrolled(message) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            message = f"{path} is damaged. {_ENROL_ANEW}"
            raise NotEnrolled(message) from None

    def identity(self, operator: Operator) -> Identity:
        """Return what the operator presents, and whom to trust.

        Raises:
            NotEnrolled: others can read the key, or a file is missing.

        """
        folder = self.path / operator.identity
        key = folder / _KEY
        try:
            if not is_private(key):
                message = (
                    f"Others can read {key}, and whoever has read it can call as you. Make it"
                    f" yours alone with chmod 600 {key}; if they did, have yourself revoked."
                )
                raise NotEnrolled(message)
            client = ClientIdentity((folder / _CERTIFICATE).read_text(), key.read_text())
            return Identity(client, (folder / _CA).read_text())
        except FileNotFoundError as error:
            message = f"{error.filename} is missing. {_ENROL_ANEW}"
            raise NotEnrolled(message) from None

    def request_for(self, occasion: str) -> CertificateRequest:
        """Return the request to send on an occasion, the same one until it has been answered.

        Key and request are written down before the first try. When that answer is lost, the code
        is used up, and only the same request brings the same certificate again. The request is
        signed at random, so it is kept as it was sent.

        Raises:
            OSError: the folder cannot be made or written.

        """
        path = self.path / _REQUEST
        with contextlib.suppress(
            FileNotFoundError, ValueError, KeyError, TypeError, RecursionError
        ):
            stored = json.loads(path.read_text())
            if stored["occasion"] == occasion and (self.path / stored["identity"] / _KEY).exists():
                return CertificateRequest(
                    request_id=stored["request_id"],
                    certificate_request=bytes.fromhex(stored["certificate_request"]),
                    identity=stored["identity"],
                )
        key = ClientKey.generate()
        request = CertificateRequest(
            request_id=str(uuid.uuid4()),
            certificate_request=key.certificate_request(),
            identity=f"{_IDENTITY}{key.key_hash()[:_HASH_DIGITS]}",
        )
        folder = self.path / request.identity
        make_private_folder(self.path)
        make_private_folder(folder)
        replace_private_file(folder / _KEY, key.to_pem().decode())
        _write_json(
            path,
            {
                "occasion": occasion,
                "request_id": request.request_id,
                "certificate_request": request.certificate_request.hex(),
                "identity": request.identity,
            },
        )
        return request

    def forget_request(self) -> None:
        """Make another key and request the next time, because this one was refused."""
        (self.path / _REQUEST).unlink(missing_ok=True)

    def adopt(
        self,
        request: CertificateRequest,
        certificate: Certificate,
        *,
        server: str,
        operator_id: str,
    ) -> Operator:
        """Use the certificate that was asked for from now on, and return who this is.

        The identity from before stays until the next change, because another command may just be
        reading it; older ones go.

        Raises:
            OSError: the folder cannot be written.

        """
        before = ""
        with contextlib.suppress(NotEnrolled):  # nobody yet, or a damaged file that is replaced
            before = self.operator().identity
        folder = self.path / request.identity
        replace_private_file(folder / _CERTIFICATE, certificate.certificate_pem)
        replace_private_file(folder / _CA, certificate.ca_certificates_pem)
        operator = Operator(
            server=server,
            operator_id=operator_id,
            identity=request.identity,
            renew_at=certificate.renew_at,
            expires_at=certificate.expires_at,
        )
        _write_json(
            self.path / _OPERATOR,
            {name: str(getattr(operator, name)) for name in operator.__slots__},
        )
        self.forget_request()
        for old in self.path.glob(f"{_IDENTITY}*"):
            if old.name not in {before, operator.identity}:
                shutil.rmtree(old)
        return operator

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other command from changing the identity; raises HomeInUse."""
        make_private_folder(self.path)
        with (self.path / "lock").open("a") as file:
            try:
                _lock_file(file)
            except OSError as error:
                message = f"Another tallymark-admin is changing {self.path} just now. Try again."
                raise HomeInUse(message) from error
            yield


_TIMES: Final = ("renew_at", "expires_at")

_ENROL_ANEW: Final = (
    "Have another operator create you anew under another id, and run"
    " `tallymark-admin init --replace` with that code."
)


def _write_json(path: Path, content: dict[str, str]) -> None:
    replace_private_file(path, json.dumps(content, indent=2) + "\n")


def _lock_file(file: IO[str]) -> None:
    """Lock the file for this process, which frees it by ending; raises OSError if it is locked."""
    if os.name == "posix":
        import fcntl  # noqa: PLC0415 - exists on POSIX only

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined] # Windows only
