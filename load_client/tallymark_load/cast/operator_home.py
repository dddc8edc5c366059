"""Reads who tallymark-admin's user is, from the folder in which it keeps that."""

import json
from pathlib import Path
from typing import NamedTuple

from tallymark_protocol.tls import ClientIdentity

__all__ = ["AdminIdentity", "NoOperator", "read_admin_home"]


class NoOperator(Exception):
    """Nobody can prepare the server. The message says what to do."""


class AdminIdentity(NamedTuple):
    """An operator of tallymark-admin: address of operators, what is presented, whom to trust."""

    server: str
    client: ClientIdentity
    ca_certificates_pem: str


def read_admin_home(home: Path) -> AdminIdentity:
    """Return the operator that is enrolled in a folder of tallymark-admin.

    Raises:
        NoOperator: nobody is, or what is there is damaged.

    """
    try:
        stored = json.loads((home / "operator.json").read_text())
        folder = home / stored["identity"]
        return AdminIdentity(
            server=stored["server"],
            client=ClientIdentity(
                (folder / "certificate.pem").read_text(), (folder / "key.pem").read_text()
            ),
            ca_certificates_pem=(folder / "ca.pem").read_text(),
        )
    except (OSError, ValueError, TypeError, KeyError):
        message = (
            f"no operator is enrolled in {home}; run `tallymark-admin init` first, or give"
            " --enrolment-code-file"
        )
        raise NoOperator(message) from None
