"""What this user needs to speak as an operator, kept in a folder of their own."""

import contextlib
import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tallymark_admin.private_files import is_private, replace_private_file

__all__ = [
    "Credentials",
    "NotEnrolled",
    "has_credentials",
    "read_credentials",
    "request_id_of_enrolment",
    "write_credentials",
]

_CREDENTIALS_FILE: Final = "operator.json"
_ENROLMENT_FILE: Final = "enrolment.json"


class NotEnrolled(Exception):
    """There are no usable credentials. The message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Server and secret of an operator."""

    server: str
    operator_id: str
    operator_secret: str = field(repr=False)


def has_credentials(home: Path) -> bool:
    """Return whether the folder belongs to an operator already."""
    return (home / _CREDENTIALS_FILE).exists()


def read_credentials(home: Path) -> Credentials:
    """Return what `init` has stored.

    Raises:
        NotEnrolled: nothing is stored, or others can read it, or it is damaged.

    """
    path = home / _CREDENTIALS_FILE
    try:
        if not is_private(path):
            message = f"Others can read {path}. Make it yours alone: chmod 600 {path}"
            raise NotEnrolled(message)
        return Credentials(**json.loads(path.read_text()))
    except FileNotFoundError:
        message = f"No operator is set up in {home}. Run `tallymark-admin init` first."
        raise NotEnrolled(message) from None
    except (ValueError, TypeError):
        # Without its cause, whose text may repeat the secret.
        message = f"{path} is damaged. Remove it and run `tallymark-admin init` with a new code."
        raise NotEnrolled(message) from None


def write_credentials(home: Path, credentials: Credentials) -> None:
    """Store the credentials for this user alone; the enrolment is over.

    Raises:
        OSError: the folder cannot be written.

    """
    replace_private_file(home / _CREDENTIALS_FILE, json.dumps(asdict(credentials)) + "\n")
    (home / _ENROLMENT_FILE).unlink(missing_ok=True)


def request_id_of_enrolment(home: Path, *, enrolment_code: str) -> str:
    """Return the request_id with which to present this code, the same one until it has worked.

    It is written down before the first try. When that answer is lost, the code is used up, and only
    the same request_id brings the same secret again.

    Raises:
        OSError: the folder cannot be made or written.

    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / _ENROLMENT_FILE
    fingerprint = hashlib.sha256(enrolment_code.encode()).hexdigest()
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        earlier = json.loads(path.read_text())
        if earlier["code_sha256"] == fingerprint:
            return str(earlier["request_id"])
    request_id = str(uuid.uuid4())
    content = {"request_id": request_id, "code_sha256": fingerprint}
    replace_private_file(path, json.dumps(content) + "\n")
    return request_id
