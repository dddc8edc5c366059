"""Requests that were sent and not answered yet, written down so that they can be repeated.

A phone that loses an answer, or is switched off while it waits, does not know what became of its
request. Asked to do the same again it must use the same request_id, or it would do it twice.

Three requests are repeated only within one run and not written down: SignIn, IssueCode and
RevokeCode. A later run wants them to be done **then**, not the answer of some time ago, and doing
them twice does no harm.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallymark_phone.private_files import make_private_folder, write_private_file
from tallymark_phone.request_ids import new_request_id
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["PendingRequests"]


class PendingRequests:
    """A folder with one file for each request whose outcome is not known.

    One file each, because several commands may run at the same time.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist yet."""
        self._folder = folder

    @contextmanager
    def request(self, name: str, *what: str) -> Iterator[str]:
        """Give the request_id to use: that of the same request before, if it has no outcome yet.

        `name` and `what` tell requests apart. They are written to the file, so they must hold no
        password, card number or code. Keep what the answer brings inside the block: at its end,
        and when the request is refused, the request counts as answered.

        Raises:
            Refused: what the block raises, or that the earlier request had another secret in it.

        """
        path = self._path(name, *what)
        try:
            yield self._request_id(path, name, *what)
        except Refused as refused:
            path.unlink(missing_ok=True)
            if refused.reason is Reason.REQUEST_ID_REUSED:
                message = (
                    "An earlier request, whose answer was lost, was made with something else, such"
                    " as another password or card number, and the server knows it. It is"
                    " forgotten here now. Look what became of it, or repeat the command."
                )
                raise Refused(refused.reason, message=message) from None
            raise
        path.unlink(missing_ok=True)

    def _request_id(self, path: Path, name: str, *what: str) -> str:
        if path.exists():
            return str(json.loads(path.read_bytes())["request_id"])
        request_id = new_request_id()
        make_private_folder(self._folder)
        entry = {"request": [name, *what], "request_id": request_id}
        write_private_file(path, json.dumps(entry).encode())
        return request_id

    def _path(self, name: str, *what: str) -> Path:
        request = json.dumps([name, *what]).encode()
        return self._folder / f"{hashlib.sha256(request).hexdigest()[:32]}.json"
