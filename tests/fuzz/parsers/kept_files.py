"""Files that programs kept for themselves, and that a disk or a hand has damaged since."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from tallymark_admin.forms import BILL_FORM, POINTS_FORM, TICKET_FORM, Form
from tallymark_admin.home import Home as OperatorHome
from tallymark_admin.home import NotEnrolled
from tallymark_admin.imports import read_lines
from tallymark_admin.journal_file import JournalFile as ExportedJournal
from tallymark_admin.journal_file import WrongFile
from tallymark_admin.sheets import WrongSheet, read_sheet
from tallymark_phone.checkpoint_book import CheckpointsDamaged
from tallymark_phone.pending_requests import RequestDamaged
from tallymark_phone.trust import NoCertificates
from tallymark_phone.wallet import Wallet, WalletDamaged
from tallymark_protocol.certificate_request import ClientKey
from tallymark_protocol.errors import UnknownOutcome
from tallymark_terminal.identity_files import IdentityFiles
from tallymark_terminal.journal import Journal, Sale, Stage
from tallymark_terminal.journal_file import JournalFile
from tallymark_terminal.private_files import HomeUnusable
from tests.doubles.authority import Authority
from tests.fuzz.parser import Budget, Parser
from tests.fuzz.parsers.event_loop import run
from tests.fuzz.parsers.evidence import journal_lines
from tests.fuzz.scratch import in_memory

__all__ = ["PARSERS"]

_FILES = Budget(milliseconds=100)
_WHEN = datetime(2030, 6, 1, tzinfo=UTC).isoformat()


@cache
def _folder(name: str) -> Path:
    """Return an empty folder until the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"tallymark-fuzz-{name}-", dir=in_memory()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


# The phone's wallet. Each input is one file of it, as the first byte says.

_WALLET_FILES: tuple[tuple[str, Callable[[Wallet], object]], ...] = (
    ("account.json", Wallet.account),
    ("session.json", Wallet.session),
    ("watched.json", Wallet.watched_event),
    ("checkpoints.json", lambda wallet: wallet.checkpoints.entries()),
    ("device-key.pem", Wallet.device_key),
    ("ca.pem", Wallet.trust),
    ("pending", lambda wallet: wallet.pending.unanswered_content("RegisterCard", "4242")),
)


def _read_wallet(data: bytes) -> object:
    name, look = _WALLET_FILES[(data[0] if data else 0) % len(_WALLET_FILES)]
    folder = _folder("wallet")
    path = folder / (_name_of_pending() if name == "pending" else name)
    _write(path, data[1:])
    try:
        return look(Wallet(folder))
    finally:
        path.unlink()


@cache
def _name_of_pending() -> str:
    """Return what the file of an unanswered request is called; each request has its own name."""
    folder = _folder("pending")
    with suppress(UnknownOutcome), Wallet(folder).pending.request("RegisterCard", "4242"):
        raise UnknownOutcome(None)
    (path,) = (folder / "pending").iterdir()
    return f"pending/{path.name}"


def _wallet_files() -> Sequence[bytes]:
    contents: tuple[Any, ...] = (
        {"server": "shop:1", "login_name": "ana", "device_id": "d" * 34, "device_name": "phone"},
        {"token": "secret", "expires_at": _WHEN},
        {"event": 7},
        [{"seen_at": _WHEN, "checkpoint": "tmc1:0:7:" + "ab" * 16}],
    )
    files = [json.dumps(content).encode() for content in contents]
    files += [ClientKey.generate().to_pem(), Authority().certificate_pem.encode()]
    files.append(b'{"request": ["RegisterCard"], "request_id": "1", "content": "x"}')
    return [bytes([number]) + content for number, content in enumerate(files)]


# The terminal's identity: one of four files is foreign, the others are good.

_IDENTITY_NAMES = ("terminal.json", "client.pem", "ca.pem", "client.key", "request.json")


@cache
def _identity() -> dict[str, bytes]:
    key, authority = ClientKey.generate(), Authority()
    fields = {"server": "shop:1", "terminal_id": "till-1", "merchant_id": "cafe"}
    fields |= {"merchant_name": "Cafe", "renew_at": _WHEN, "expires_at": _WHEN}
    request = {"request_id": "1", "purpose": "renew", "certificate_request": "", "key_hash": ""}
    return {
        "terminal.json": json.dumps(fields).encode(),
        "client.pem": authority.issue(key.certificate_request(), owner_id="till-1").encode(),
        "ca.pem": authority.certificate_pem.encode(),
        "client.key": key.to_pem(),
        "request.json": json.dumps(request | {"key_hash": key.key_hash()}).encode(),
    }


@cache
def _good_identity() -> Path:
    folder = _folder("identity")
    for name, content in _identity().items():
        _write(folder / name, content)
    return folder


def _read_identity(data: bytes) -> object:
    foreign = _IDENTITY_NAMES[(data[0] if data else 0) % len(_IDENTITY_NAMES)]
    folder = _good_identity()
    _write(folder / foreign, data[1:])
    files = IdentityFiles(folder)
    try:
        if foreign == "request.json":
            _write(folder / "client.new.key", _identity()["client.key"])
            return files.attempt("renew", new_id="2")
        return files.read()
    finally:
        _write(folder / foreign, _identity()[foreign])


# The terminal's journal: a database file that is read from end to end.


@cache
def _sales() -> bytes:
    path = _folder("sales") / "journal.sqlite3"
    file = JournalFile(path)
    journal = Journal(file)
    for number, stage in enumerate(Stage):
        sale = Sale(
            request_id=f"request-{number}",
            started_at=1e9 + number,
            stage=stage,
            asked='{"charge": "4.20 EUR"}',
            code_hash=bytes(32),
            telephone_number="+4930123456",
        )
        run(journal.write(sale))
    file.close()
    return path.read_bytes()


def _read_sales(data: bytes) -> object:
    path = _folder("journal") / "journal.sqlite3"
    _write(path, data)
    file = JournalFile(path)
    try:
        return run(Journal(file).latest(100))
    finally:
        file.close()


def _read_exported(data: bytes) -> int:
    path = _folder("exported") / "journal.jsonl"
    _write(path, data)
    with ExportedJournal(path) as journal:
        return journal.last_sequence


# What an operator imports, and the file that says who an operator is.

_FORMS: tuple[Form[Any], ...] = (BILL_FORM, TICKET_FORM, POINTS_FORM)


def _read_sheet(data: bytes) -> int:
    form = _FORMS[(data[0] if data else 0) % len(_FORMS)]
    sheet = read_sheet(data[1:], columns=form.columns)
    return len(list(read_lines(sheet, form=form, zone=UTC)))


def _sheets() -> Sequence[bytes]:
    rows = (
        "cafe,B-1,ana,EUR,4.20,water,2026-05-01",
        "jazz,A-1,ana,2,B7,2026-05-01,2026-05-02T18:00+02:00",
        "beans,ana,welcome,100",
    )
    return [
        bytes([number]) + f"{','.join(form.column_names)}\n{rows[number]}\n".encode()
        for number, form in enumerate(_FORMS)
    ]


def _read_operator(data: bytes) -> object:
    path = _folder("operator") / "operator.json"
    _write(path, data)
    return OperatorHome(path.parent).operator()


def _operators() -> Sequence[bytes]:
    fields = {"server": "shop:1", "operator_id": "first", "identity": "identity-1"}
    fields |= {"renew_at": _WHEN, "expires_at": _WHEN}
    return [json.dumps(fields).encode()]


PARSERS = (
    Parser(
        name="phone_files",
        read=_read_wallet,
        refusals=(WalletDamaged, CheckpointsDamaged, NoCertificates, RequestDamaged),
        seeds=_wallet_files,
        budget=_FILES,
    ),
    Parser(
        name="terminal_identity",
        read=_read_identity,
        refusals=(HomeUnusable,),
        seeds=lambda: [
            bytes([number]) + _identity()[name] for number, name in enumerate(_IDENTITY_NAMES)
        ],
        budget=_FILES,
    ),
    Parser(
        name="terminal_journal",
        read=_read_sales,
        refusals=(HomeUnusable,),
        seeds=lambda: [_sales()],
        budget=Budget(milliseconds=200, kibibytes=4096),
        size_max=65_536,
    ),
    Parser(
        name="exported_journal",
        read=_read_exported,
        refusals=(WrongFile,),
        seeds=lambda: [b"\n".join(journal_lines()) + b"\n"],
        budget=_FILES,
        size_max=16_384,
    ),
    Parser(name="sheets", read=_read_sheet, refusals=(WrongSheet,), seeds=_sheets, may_quote=True),
    Parser(
        name="operator_file",
        read=_read_operator,
        refusals=(NotEnrolled,),
        seeds=_operators,
        budget=_FILES,
    ),
)
