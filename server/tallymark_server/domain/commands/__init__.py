"""What can be asked of the rules.

A command carries everything that a decision may not make up: ids, hashes, random bytes.
"""

from tallymark_server.domain.commands.codes import (
    IssueCode,
    RevokeCode,
    TerminalTag,
)
from tallymark_server.domain.commands.command import (
    Caller,
    Command,
    RequestKey,
)
from tallymark_server.domain.commands.customers import (
    AddDevice,
    ChangePassword,
    InviteDevice,
    OpenSession,
    RegisterCard,
    RegisterCustomer,
    RemoveCard,
    RemoveDevice,
    RevokeDevice,
)
from tallymark_server.domain.commands.directory import (
    AddBill,
    AddTicket,
    CreateEvent,
    CreateMerchant,
    CreateProgramme,
    GrantPoints,
    SetPolicy,
)
from tallymark_server.domain.commands.enrolment import (
    CreateOperator,
    CreateTerminal,
    Enrol,
    ReenrolTerminal,
    RenewCertificate,
    RevokeOperator,
    RevokeTerminal,
)
from tallymark_server.domain.commands.keys import RevokeKey, RotateKey
from tallymark_server.domain.commands.numbers import SendNumberCode, VerifyNumber
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
    SignedStatement,
    TelephoneIdentification,
    UpdatePoints,
)

__all__ = [
    "AddBill",
    "AddDevice",
    "AddTicket",
    "Caller",
    "ChangePassword",
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
    "InviteDevice",
    "IssueCode",
    "OpenSession",
    "ProcessName",
    "RecordAuthorisation",
    "RecordSettlement",
    "ReenrolTerminal",
    "RegisterCard",
    "RegisterCustomer",
    "RemoveCard",
    "RemoveDevice",
    "RenewCertificate",
    "RequestKey",
    "ReservePasswordTry",
    "ResolveCode",
    "ReverseProcess",
    "RevokeCode",
    "RevokeDevice",
    "RevokeKey",
    "RevokeOperator",
    "RevokeTerminal",
    "RightPassword",
    "RotateKey",
    "SendNumberCode",
    "SetPolicy",
    "SettleProcess",
    "SignedStatement",
    "TelephoneIdentification",
    "TerminalTag",
    "UnlockPassword",
    "UpdatePoints",
    "UsesPassword",
    "VerifyNumber",
]
