"""The rows and journal entries of a made-up day: those of one real scan under other names."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from bench.past_names import CODES_A_SCAN, Names
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.journal import JournalEntry, Record
from tallymark_server.domain.model.people import Customer, Device, Login, Session
from tallymark_server.domain.model.processes import Code, CustomerProcess, Process, Request
from tallymark_server.domain.model.registrations import ISSUER, PointsAccount, Ticket
from tallymark_server.domain.state import Row
from tallymark_server.keyring import Keyring, secret_hash

__all__ = ["PastRows", "Pattern"]

R = TypeVar("R", bound=Row)

_replace = msgspec.structs.replace


class Pattern(NamedTuple):
    """What a real scan left: rows, and what the journal says of it."""

    rows: Sequence[Row]
    entries: Sequence[JournalEntry]

    def only(self, table: type[R], **having: object) -> R:
        """Return the one row of a table whose fields have these values."""
        (found,) = (
            row
            for row in self.rows
            if isinstance(row, table)
            and all(getattr(row, name) == value for name, value in having.items())
        )
        return found

    def record(self, command: str) -> Record:
        """Return what the journal says of the one command of this kind."""
        (found,) = (one.record for one in self.entries if one.record.command == command)
        return found


class PastRows:
    """Makes the rows. The journal goes on after the pattern's own entries."""

    def __init__(self, pattern: Pattern, names: Names, keyring: Keyring) -> None:
        """Take what is repeated, and the keys by which customers are found."""
        self._names = names
        self._keyring = keyring
        self._code = pattern.only(Code)
        self._process = pattern.only(Process)
        self._issued = pattern.only(Request, rpc="IssueCode")
        self._resolved = pattern.only(Request, rpc="ResolveCode")
        self._customer = pattern.only(Customer)
        self._device = pattern.only(Device)
        self._ticket = pattern.only(Ticket)
        self._account = pattern.only(PointsAccount, holder_id=self._customer.customer_id)
        self._issuer = pattern.only(PointsAccount, holder_id=ISSUER)
        self._login = pattern.only(Login)
        self._session = pattern.only(Session)
        self._issue_record = pattern.record("IssueCode")
        self._resolve_record = pattern.record("ResolveCode")
        self._head = pattern.entries[-1].head

    def of_codes(self, codes: Sequence[int]) -> tuple[list[Row], list[JournalEntry]]:
        """Return codes with what issued them, and the scan of the last one of every ten."""
        rows: list[Row] = []
        entries: list[JournalEntry] = []
        for number in codes:
            scan, place = divmod(number, CODES_A_SCAN)
            code = self._code_row(number, scan)
            issued = self._issue_row(number, code)
            rows.append(issued)
            entries.append(self._entry(self._issue_record, issued))
            if place == CODES_A_SCAN - 1:
                process = self._process_row(number, scan, code)
                resolved = self._resolve_row(process)
                code = _replace(code, process_id=process.process_id, state=self._code.state)
                rows += [process, resolved]
                entries.append(self._entry(self._resolve_record, resolved))
            rows.append(code)
        return rows, entries

    def of_customers(self, customers: Sequence[int]) -> Iterator[Row]:
        """Yield customers with their phones, tickets, points, and the lists of their processes."""
        names = self._names
        for number in customers:
            customer_id, login_name = names.customer_id(number), names.login_name(number)
            device_id, scans = names.device_id(number), names.scans_of(number)
            yield _replace(
                self._customer,
                customer_id=customer_id,
                login_name=login_name,
                device_ids=(device_id,),
                last_event=len(scans),
            )
            yield _replace(
                self._device,
                device_id=device_id,
                customer_id=customer_id,
                session_texts=(secret_hash(names.token(number)),),
            )
            yield _replace(
                self._ticket,
                ticket_id=names.ticket_id(number),
                customer_id=customer_id,
                login_name=login_name,
            )
            yield _replace(
                self._account, holder_id=customer_id, login_name=login_name, balance=len(scans)
            )
            for scan in scans:
                yield CustomerProcess(
                    partition=DIRECTORY, customer_id=customer_id, process_id=names.process_id(scan)
                )

    def of_directory(self) -> Iterator[Row]:
        """Yield what customers are found by, in the order of hashes, and the issuer's points."""
        names, everybody = self._names, range(self._names.size.customers)
        logins = ((self._keyring.login_hash(names.login_name(one)), one) for one in everybody)
        for text, number in sorted(logins):
            yield _replace(self._login, login_hash=text, customer_id=names.customer_id(number))
        sessions = ((secret_hash(names.token(one)), one) for one in everybody)
        for text, number in sorted(sessions):
            yield _replace(
                self._session,
                token_hash=text,
                customer_id=names.customer_id(number),
                device_id=names.device_id(number),
            )
        yield _replace(self._issuer, balance=self._issuer.balance - names.size.scans)

    def _code_row(self, number: int, scan: int) -> Code:
        names, issued_at = self._names, self._names.time(number)
        customer = names.customer_of(scan)
        seconds = self._code.expires_at_seconds - self._code.issued_at // 1000
        return Code(
            partition=DIRECTORY,
            expires_at_seconds=issued_at // 1000 + seconds,
            cti_hash=names.cti_hash(number),
            text_hash=names.text_hash(number),
            key_id=self._code.key_id,
            customer_id=names.customer_id(customer),
            device_id=names.device_id(customer),
            purpose=self._code.purpose,
            issued_at=issued_at,
        )

    def _issue_row(self, number: int, code: Code) -> Request:
        return _replace(
            self._issued,
            request_id=self._names.request_id(number, is_scan=False),
            caller_id=code.customer_id,
            decided_at=code.issued_at,
            answer=self._issued.answer.replace(self._code.cti_hash, code.cti_hash),
        )

    def _process_row(self, number: int, scan: int, code: Code) -> Process:
        later = code.issued_at - self._process.created_at
        return _replace(
            self._process,
            process_id=self._names.process_id(scan),
            request_id=self._names.request_id(number, is_scan=True),
            customer_id=code.customer_id,
            code_text=code.text,
            event=scan // self._names.size.customers + 1,
            **{
                name: getattr(self._process, name) + later
                for name in ("created_at", "closes_at", "execute_by", "ended_at")
            },
        )

    def _resolve_row(self, process: Process) -> Request:
        return _replace(
            self._resolved,
            request_id=process.request_id,
            decided_at=process.created_at,
            process_id=process.process_id,
        )

    def _entry(self, pattern: Record, request: Request) -> JournalEntry:
        """Return the next entry: what the pattern says, of this request."""
        was = self._issued if request.rpc == self._issued.rpc else self._resolved
        record = Record(
            decided_at=request.decided_at,
            command=pattern.command,
            caller=pattern.caller.replace(was.caller_id, request.caller_id),
            process_id=request.process_id,
            state=pattern.state,
            payload=pattern.payload.replace(was.request_id, request.request_id),
        )
        entry = self._head.follow(DIRECTORY, record)
        self._head = entry.head
        return entry
