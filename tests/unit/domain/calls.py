"""The calls of phones and terminals, each in a line."""

from typing import Any

from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tallymark_server.domain import commands
from tallymark_server.domain.answers import Answer, ProcessAnswer, ReversalAnswer
from tallymark_server.domain.commands import (
    Caller,
    CodeIdentification,
    ProcessName,
    RequestKey,
    SignedStatement,
    TelephoneIdentification,
)
from tallymark_server.domain.identifiers import RANDOM_BYTES
from tallymark_server.domain.model.actions import Ask
from tallymark_server.domain.model.merchants import CallerKind
from tallymark_server.domain.model.processes import Code, CodePurpose, Process
from tallymark_server.domain.processes.statement import is_answerable
from tallymark_server.services.processes_out import process_message
from tests.unit.domain.furniture import DEVICES, PARTITION, TERMINALS, device_key, furnished
from tests.unit.domain.runner import Runner

__all__ = ["OPERATOR", "SERVER", "Calls", "device_caller", "terminal_caller"]

SERVER = Caller(kind=CallerKind.SERVER, caller_id="completer")
OPERATOR = Caller(kind=CallerKind.OPERATOR, caller_id="root")


def device_caller(device_id: str) -> Caller:
    """Return the customer at this phone."""
    return Caller(kind=CallerKind.CUSTOMER, caller_id=DEVICES[device_id], device_id=device_id)


def terminal_caller(terminal_id: str) -> Caller:
    """Return this terminal."""
    merchant_id = TERMINALS[terminal_id]
    return Caller(kind=CallerKind.TERMINAL, caller_id=terminal_id, merchant_id=merchant_id)


class Calls(Runner):
    """The rules, and phones and terminals that call them."""

    def __init__(self) -> None:
        super().__init__(furnished())
        self._count = 0

    def try_issue(
        self,
        device_id: str = "ana-1",
        purpose: CodePurpose = CodePurpose.GENERAL,
        *,
        life_seconds: int = 60,
        **chosen: Any,
    ) -> Answer:
        number = self._next()
        fields = {"card_id": "", "bill": None, "ticket": None, "tag": None, **chosen}
        command = commands.IssueCode(
            caller=device_caller(device_id),
            partition=PARTITION,
            request=self.request("IssueCode"),
            cti_hash=f"cti-{number}",
            text_hash=f"text-{number}",
            key_id=1,
            expires_at_seconds=self.now // 1000 + life_seconds,
            purpose=purpose,
            **fields,
        )
        return self.ask(command)

    def issue(self, *args: Any, **more: Any) -> Code:
        self.try_issue(*args, **more)
        return next(row for row in self.last.changes.values() if isinstance(row, Code))

    def confirm(
        self, process: Process, *, approve: bool = True, digits: str = "", by: str = "ana-1"
    ) -> Answer:
        """Answer on a phone that shows how the process stands now."""
        shown = self.get(Process.key_of(process.process_id))
        signed = self.signed(shown, approve=approve, digits=digits, by=by)
        return self.answer(shown, signed, approve=approve, digits=digits, by=by)

    def signed(
        self, shown: Process, *, approve: bool = True, digits: str = "", by: str = "ana-1"
    ) -> SignedStatement | None:
        """Return what the phone signs that shows the process so; None when there is no question."""
        if not shown.customer_id or not is_answerable(shown):
            return None
        decision = Decision.APPROVE if approve else Decision.DECLINE
        message = process_message(shown, customer_reference=None)
        return SignedStatement(
            statement=confirmation_of(message, decision, digits).to_bytes(),
            signature=b"signature",
            device_key=device_key(by),
        )

    def answer(
        self,
        process: Process,
        signed: SignedStatement | None,
        *,
        approve: bool = True,
        digits: str = "",
        by: str = "ana-1",
    ) -> Answer:
        """Answer with any signature, or none that fits anything."""
        return self.ask(
            commands.ConfirmProcess(
                caller=device_caller(by),
                partition=PARTITION,
                request=self.request("ConfirmProcess"),
                process_id=process.process_id,
                approve=approve,
                digits=digits,
                signed=signed,
            )
        )

    def dispute(self, process: Process, *, by: str = "ana-1") -> Answer:
        return self.ask(
            commands.DisputeProcess(
                caller=device_caller(by),
                partition=PARTITION,
                request=self.request("DisputeProcess"),
                process_id=process.process_id,
                statement="that was not me",
            )
        )

    # Terminals

    def try_resolve(self, shown: Code | str, *asks: Ask, by: str = "till-1", **more: Any) -> Answer:
        """Show a code, or tell a telephone number."""
        identification: CodeIdentification | TelephoneIdentification
        if isinstance(shown, Code):
            identification = CodeIdentification(
                expires_at_seconds=shown.expires_at_seconds,
                cti_hash=shown.cti_hash,
                text_hash=shown.text_hash,
            )
        else:
            identification = TelephoneIdentification(number_hash=shown)
        fields = {"sale_total": None, "complete_on_instruction": False, "digits": "42", **more}
        command = commands.ResolveCode(
            caller=terminal_caller(by),
            partition=PARTITION,
            request=fields.pop("request", None) or self.request("ResolveCode"),
            identification=identification,
            asks=asks,
            fresh=self.fresh(),
            **fields,
        )
        return self.ask(command)

    def resolve(self, *args: Any, **more: Any) -> Process:
        answer = self.try_resolve(*args, **more)
        assert isinstance(answer, ProcessAnswer), answer
        return answer.process

    def complete(self, process: Process | ProcessName, *, by: str = "till-1") -> Answer:
        return self.ask(
            commands.CompleteProcess(
                caller=terminal_caller(by),
                partition=PARTITION,
                request=self.request("CompleteProcess"),
                name=name_of(process),
            )
        )

    def update_points(
        self, process: Process, new_balance: int, *, version: int, by: str = "till-1"
    ) -> Answer:
        return self.ask(
            commands.UpdatePoints(
                caller=terminal_caller(by),
                partition=PARTITION,
                request=self.request("UpdatePoints"),
                name=name_of(process),
                version=version,
                new_balance=new_balance,
            )
        )

    def reverse(self, process: Process | ProcessName, *, by: str = "till-1") -> ReversalAnswer:
        answer = self.try_reverse(process, by=by)
        assert isinstance(answer, ReversalAnswer), answer
        return answer

    def try_reverse(self, process: Process | ProcessName, *, by: str = "till-1") -> Answer:
        return self.ask(
            commands.ReverseProcess(
                caller=terminal_caller(by),
                partition=PARTITION,
                request=self.request("ReverseProcess"),
                name=name_of(process),
                note="",
                fresh=self.fresh(),
            )
        )

    def request(self, rpc: str, request_id: str = "", fingerprint: str = "body") -> RequestKey:
        request_id = request_id or f"request-{self._next()}"
        return RequestKey(rpc=rpc, request_id=request_id, fingerprint=fingerprint)

    def fresh(self) -> bytes:
        return self._next().to_bytes(RANDOM_BYTES, "big")

    def _next(self) -> int:
        self._count += 1
        return self._count


def name_of(process: Process | ProcessName) -> ProcessName:
    """Return the name by which a call means the process."""
    if isinstance(process, ProcessName):
        return process
    return ProcessName(process_id=process.process_id)
