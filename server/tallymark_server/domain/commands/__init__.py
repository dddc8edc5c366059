"""What can be asked of the rules.

A command carries everything that a decision may not make up: ids, hashes, random bytes.
"""

from tallymark_server.domain.commands.codes import (
    IssueCode,
    RevokeCode,
)
from tallymark_server.domain.commands.command import (
    Caller,
    Command,
    RequestKey,
)
from tallymark_server.domain.commands.customers import (
    AddDevice,
    OpenSession,
    RegisterCard,
    RegisterCustomer,
    RemoveCard,
    RemoveDevice,
)
from tallymark_server.domain.commands.directory import (
    AddBill,
    AddTicket,
    CreateEvent,
    CreateMerchant,
    CreateOperator,
    CreateProgramme,
    CreateTerminal,
    Enrol,
    GrantPoints,
    RevokeTerminal,
    SetPolicy,
)
from tallymark_server.domain.commands.numbers import VerifyNumber
from tallymark_server.domain.commands.passwords import (
    ReservePasswordTry,
    RightPassword,
    UnlockPassword,
    UsesPassword,
)
from tallymark_server.domain.commands.processes import (
    CodeIdentification,
    CompleteProcess,
    ConfirmProcess,
    DisputeProcess,
    FireTimer,
    ProcessName,
    RecordAuthorisation,
    RecordSettlement,
    ResolveCode,
    ReverseProcess,
    SettleProcess,
    TelephoneIdentification,
    UpdatePoints,
)

__all__ = [
    "AddBill",
    "AddDevice",
    "AddTicket",
    "Caller",
    "CodeIdentification",
    "Command",
    "CompleteProcess",
    "ConfirmProcess",
    "CreateEvent",
    "CreateMerchant",
    "CreateOperator",
    "CreateProgramme",
    "CreateTerminal",
    "DisputeProcess",
    "Enrol",
    "FireTimer",
    "GrantPoints",
    "IssueCode",
    "OpenSession",
    "ProcessName",
    "RecordAuthorisation",
    "RecordSettlement",
    "RegisterCard",
    "RegisterCustomer",
    "RemoveCard",
    "RemoveDevice",
    "RequestKey",
    "ReservePasswordTry",
    "ResolveCode",
    "ReverseProcess",
    "RevokeCode",
    "RevokeTerminal",
    "RightPassword",
    "SetPolicy",
    "SettleProcess",
    "TelephoneIdentification",
    "UnlockPassword",
    "UpdatePoints",
    "UsesPassword",
    "VerifyNumber",
]
