"""Requests that were sent and not answered yet, written down so that they can be repeated.

A phone that loses an answer, or is switched off while it waits, does not know what became of its
request. Asked to do the same again it must use the same request_id, or it would do it twice.

Four requests are repeated only within one run and not written down: SignIn, InviteDevice, IssueCode
and RevokeCode. A later run wants them to be done **then**, not the answer of some time ago, and
doing them twice does no harm.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallymark_phone.private_files import make_private_folder, read_json, write_private_file
from tallymark_phone.request_ids import new_request_id
from tallymark_protocol.device_key import DevicePrivateKey, NotADeviceKey
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["PendingRequests", "RequestDamaged"]


class RequestDamaged(Exception):
    """The file of an unanswered request cannot be understood. The message names it."""


class PendingRequests:
    """A folder with one file for each request whose outcome is not known.

    One file each, because several commands may run at the same time. Beside a request that brings
    in a new phone lies the key that was made for it.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist yet."""
        self._folder = folder

    @contextmanager
    def request(self, name: str, *what: str, content: str = "") -> Iterator[str]:
        """Give the request_id to use: that of the same request before, if it has no outcome yet.

        `name` and `what` tell requests apart. A request with other `content` takes the place of an
        unanswered one. All of them are written to the file, so they must hold no password, card
        number or code. Keep what the answer brings inside the block: at its end, and when the
        request is refused, the request counts as answered.

        Raises:
            Refused: what the block raises, or that the earlier request had another secret in it.
            RequestDamaged: the earlier request cannot be read.

        """
        path = self._path(name, *what)
        entry = self._entry(path)
        if entry is None or entry["content"] != content:
            entry = self._begin(path, [name, *what], content)
        with _until_answered(path):
            yield entry["request_id"]

    @contextmanager
    def request_with_key(self, name: str, *what: str) -> Iterator[tuple[str, DevicePrivateKey]]:
        """Give the request_id and the key of a new phone: those of the same request before, if any.

        The key is on disk before the request can be sent, or a phone that lost the answer might be
        known by a key that it has not. Raises as `request` does.
        """
        path = self._path(name, *what)
        entry, device_key = self._entry(path), _read_key(path)
        if entry is None or device_key is None:
            make_private_folder(self._folder)
            device_key = DevicePrivateKey.generate()
            write_private_file(_key_path(path), device_key.to_pem())
            entry = self._begin(path, [name, *what], "")
        with _until_answered(path):
            yield entry["request_id"], device_key

    def is_unanswered(self, name: str, *what: str) -> bool:
        """Return whether this request was made and nobody knows what became of it."""
        return self._entry(self._path(name, *what)) is not None

    def unanswered_content(self, name: str, *what: str) -> str | None:
        """Return the content of the unanswered request, None if there is no such request."""
        entry = self._entry(self._path(name, *what))
        return entry["content"] if entry else None

    def _begin(self, path: Path, request: list[str], content: str) -> dict[str, str]:
        make_private_folder(self._folder)
        entry = {"request_id": new_request_id(), "content": content}
        write_private_file(path, json.dumps({"request": request, **entry}).encode())
        return entry

    @staticmethod
    def _entry(path: Path) -> dict[str, str] | None:
        try:
            entry = read_json(path)
            return {"request_id": str(entry["request_id"]), "content": str(entry["content"])}
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError):
            # To make a new request in its place could do the same a second time.
            message = (
                f"{path} is damaged, and nobody knows what became of the request in it. Look"
                " whether it was done; then remove the file."
            )
            raise RequestDamaged(message) from None

    def _path(self, name: str, *what: str) -> Path:
        request = json.dumps([name, *what]).encode()
        return self._folder / f"{hashlib.sha256(request).hexdigest()[:32]}.json"


@contextmanager
def _until_answered(path: Path) -> Iterator[None]:
    """Remove the files of a request when the block has its answer, be it a refusal."""
    try:
        yield
    except Refused as refused:
        _remove(path)
        if refused.reason is Reason.REQUEST_ID_REUSED:
            message = (
                "An earlier request, whose answer was lost, was made with something else, such"
                " as another password, invitation or card number, and the server knows it. It is"
                " forgotten here now. Look what became of it, or repeat the command."
            )
            raise Refused(refused.reason, message=message) from None
        raise
    _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _key_path(path).unlink(missing_ok=True)


def _key_path(path: Path) -> Path:
    return path.with_suffix(".pem")


def _read_key(path: Path) -> DevicePrivateKey | None:
    try:
        return DevicePrivateKey.from_pem(_key_path(path).read_bytes())
    except (FileNotFoundError, NotADeviceKey):
        return None
