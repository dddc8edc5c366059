"""Every reason for which a call can fail, with its gRPC status and its sentence; needs no gRPC."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["DESCRIPTIONS", "Description", "Reason"]


class Reason(StrEnum):
    """A reason as `google.rpc.ErrorInfo` carries it.

    Each is a value of `error_reason.proto` without its prefix.
    """

    REQUEST_INVALID = "REQUEST_INVALID"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    CALLER_NOT_ALLOWED = "CALLER_NOT_ALLOWED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    REQUEST_REVERSED = "REQUEST_REVERSED"
    CODE_MALFORMED = "CODE_MALFORMED"
    CODE_KEY_UNKNOWN = "CODE_KEY_UNKNOWN"
    CODE_NOT_GENUINE = "CODE_NOT_GENUINE"
    CODE_NOT_FOUND = "CODE_NOT_FOUND"
    CODE_EXPIRED = "CODE_EXPIRED"
    CODE_REVOKED = "CODE_REVOKED"
    CODE_ALREADY_CLAIMED = "CODE_ALREADY_CLAIMED"
    CODE_FOR_OTHER_TERMINAL = "CODE_FOR_OTHER_TERMINAL"
    PROCESS_NOT_FOUND = "PROCESS_NOT_FOUND"
    PROCESS_NOT_AWAITING = "PROCESS_NOT_AWAITING"
    PROCESS_NOT_INSTRUCTED = "PROCESS_NOT_INSTRUCTED"
    PROCESS_CONTESTED = "PROCESS_CONTESTED"
    PROCESS_NOT_UNRESOLVED = "PROCESS_NOT_UNRESOLVED"
    RECEIPT_NOT_READY = "RECEIPT_NOT_READY"
    NO_POINTS_IN_PROCESS = "NO_POINTS_IN_PROCESS"
    POINTS_VERSION_CONFLICT = "POINTS_VERSION_CONFLICT"
    POINTS_OVER_LIMIT = "POINTS_OVER_LIMIT"
    POINTS_BELOW_HOLDS = "POINTS_BELOW_HOLDS"
    LOGIN_NAME_TAKEN = "LOGIN_NAME_TAKEN"
    PASSWORD_TOO_SHORT = "PASSWORD_TOO_SHORT"  # noqa: S105 -- a reason, no password
    PASSWORD_REQUIRED = "PASSWORD_REQUIRED"  # noqa: S105 -- the same
    PASSWORD_WRONG = "PASSWORD_WRONG"  # noqa: S105 -- the same
    NUMBER_CODE_WRONG = "NUMBER_CODE_WRONG"
    NO_NUMBER_TO_VERIFY = "NO_NUMBER_TO_VERIFY"
    CARD_NOT_FOUND = "CARD_NOT_FOUND"
    CARD_REJECTED = "CARD_REJECTED"
    INSTITUTION_UNAVAILABLE = "INSTITUTION_UNAVAILABLE"
    BILL_NOT_FOUND = "BILL_NOT_FOUND"
    TICKET_NOT_FOUND = "TICKET_NOT_FOUND"
    DEVICE_NOT_FOUND = "DEVICE_NOT_FOUND"
    CUSTOMER_NOT_FOUND = "CUSTOMER_NOT_FOUND"
    MERCHANT_NOT_FOUND = "MERCHANT_NOT_FOUND"
    TERMINAL_NOT_FOUND = "TERMINAL_NOT_FOUND"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    PROGRAMME_NOT_FOUND = "PROGRAMME_NOT_FOUND"
    TOO_MANY_REGISTRATIONS = "TOO_MANY_REGISTRATIONS"
    ENROLMENT_CODE_INVALID = "ENROLMENT_CODE_INVALID"
    ALREADY_EXISTS_DIFFERENT = "ALREADY_EXISTS_DIFFERENT"
    POLICY_VERSION_CONFLICT = "POLICY_VERSION_CONFLICT"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"  # noqa: S105 -- a reason, no token
    OVERLOADED = "OVERLOADED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    STORE_FAILED = "STORE_FAILED"
    INTERNAL = "INTERNAL"
    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    CERTIFICATE_REQUEST_INVALID = "CERTIFICATE_REQUEST_INVALID"
    DEVICE_PROOF_WRONG = "DEVICE_PROOF_WRONG"
    INVITATION_INVALID = "INVITATION_INVALID"
    PASSWORD_COMMON = "PASSWORD_COMMON"  # noqa: S105 -- the same
    PASSWORD_WAIT = "PASSWORD_WAIT"  # noqa: S105 -- the same
    PASSWORD_LOCKED = "PASSWORD_LOCKED"  # noqa: S105 -- the same
    RATE_LIMITED = "RATE_LIMITED"
    TAG_INVALID = "TAG_INVALID"
    CONFIRMATION_SIGNATURE_WRONG = "CONFIRMATION_SIGNATURE_WRONG"
    NUMBER_CODE_LIMIT = "NUMBER_CODE_LIMIT"
    OPERATOR_NOT_FOUND = "OPERATOR_NOT_FOUND"
    OPERATOR_IS_CALLER = "OPERATOR_IS_CALLER"
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    BACKUP_FAILED = "BACKUP_FAILED"
    RECOVERY_NOT_OPEN = "RECOVERY_NOT_OPEN"
    DISK_NEARLY_FULL = "DISK_NEARLY_FULL"
    TERMINAL_NOT_DELEGATED = "TERMINAL_NOT_DELEGATED"


class Description(NamedTuple):
    """The status of the call, and a sentence with places for the metadata."""

    status: str
    sentence: str


DESCRIPTIONS: dict[Reason, Description] = {
    Reason.REQUEST_INVALID: Description(
        "INVALID_ARGUMENT",
        "The request breaks the contract: see the field violations.",
    ),
    Reason.CREDENTIALS_MISSING: Description(
        "UNAUTHENTICATED",
        "This call needs credentials. Send the metadata authorization: Bearer <session_token>.",
    ),
    Reason.CREDENTIALS_INVALID: Description(
        "UNAUTHENTICATED",
        "The credentials are not known here. Sign in or enrol again.",
    ),
    Reason.SESSION_EXPIRED: Description("UNAUTHENTICATED", "The session is over. Sign in again."),
    Reason.CALLER_NOT_ALLOWED: Description(
        "PERMISSION_DENIED",
        "This call is for another kind of caller: {needed}.",
    ),
    Reason.REQUEST_ID_REUSED: Description(
        "ALREADY_EXISTS",
        "This request_id was used for another request. Use a new id for a new request.",
    ),
    Reason.REQUEST_REVERSED: Description(
        "FAILED_PRECONDITION",
        "This request was reversed before it arrived. Nothing was done.",
    ),
    Reason.CODE_MALFORMED: Description(
        "INVALID_ARGUMENT",
        "This is not a Tallymark code, or it was read wrongly. Scan again.",
    ),
    Reason.CODE_KEY_UNKNOWN: Description(
        "INVALID_ARGUMENT",
        "The code was signed with a key that is not in use. Ask for a new code.",
    ),
    Reason.CODE_NOT_GENUINE: Description(
        "INVALID_ARGUMENT",
        "The code is not genuine. Ask for a new code.",
    ),
    Reason.CODE_NOT_FOUND: Description(
        "NOT_FOUND",
        "The code is not known here. Ask for a new code.",
    ),
    Reason.CODE_EXPIRED: Description(
        "FAILED_PRECONDITION",
        "The code is over its time. Ask for the code on the phone's screen now.",
    ),
    Reason.CODE_REVOKED: Description(
        "FAILED_PRECONDITION",
        "The code was taken back. Ask for the code on the phone's screen now.",
    ),
    Reason.CODE_ALREADY_CLAIMED: Description(
        "FAILED_PRECONDITION",
        "The code was used already. Ask for a new code.",
    ),
    Reason.CODE_FOR_OTHER_TERMINAL: Description(
        "FAILED_PRECONDITION",
        "The code was made for another terminal. Ask for a new code.",
    ),
    Reason.PROCESS_NOT_FOUND: Description("NOT_FOUND", "There is no such process of yours."),
    Reason.PROCESS_NOT_AWAITING: Description(
        "FAILED_PRECONDITION",
        "The process does not wait for an answer (any more); it is {state}.",
    ),
    Reason.PROCESS_NOT_INSTRUCTED: Description(
        "FAILED_PRECONDITION",
        "The process cannot be completed; it is {state}.",
    ),
    Reason.PROCESS_CONTESTED: Description(
        "FAILED_PRECONDITION",
        "The process is frozen until the customer answers on the phone.",
    ),
    Reason.PROCESS_NOT_UNRESOLVED: Description(
        "FAILED_PRECONDITION",
        "The process needs no settling; it is {state}.",
    ),
    Reason.RECEIPT_NOT_READY: Description(
        "FAILED_PRECONDITION",
        "There is no receipt; the process is {state}.",
    ),
    Reason.NO_POINTS_IN_PROCESS: Description(
        "FAILED_PRECONDITION",
        "The process has no points action. Ask for read_points in ResolveCode.",
    ),
    Reason.POINTS_VERSION_CONFLICT: Description(
        "ABORTED",
        "The points account has changed since. Read it again; it is at version {version}.",
    ),
    Reason.POINTS_OVER_LIMIT: Description(
        "FAILED_PRECONDITION",
        "The balance can move that way by at most {limit} points in one process.",
    ),
    Reason.POINTS_BELOW_HOLDS: Description(
        "FAILED_PRECONDITION",
        "Other processes hold {held} points; the new balance must not be lower.",
    ),
    Reason.LOGIN_NAME_TAKEN: Description(
        "ALREADY_EXISTS",
        "This login name is taken. Choose another.",
    ),
    Reason.PASSWORD_TOO_SHORT: Description(
        "INVALID_ARGUMENT",
        "The password needs at least {characters_min} characters.",
    ),
    Reason.PASSWORD_REQUIRED: Description("UNAUTHENTICATED", "This code needs your password."),
    Reason.PASSWORD_WRONG: Description("UNAUTHENTICATED", "Name, device or password is wrong."),
    Reason.NUMBER_CODE_WRONG: Description("INVALID_ARGUMENT", "The verification code is wrong."),
    Reason.NO_NUMBER_TO_VERIFY: Description("FAILED_PRECONDITION", "There is no number to verify."),
    Reason.CARD_NOT_FOUND: Description("NOT_FOUND", "You have no such card."),
    Reason.CARD_REJECTED: Description(
        "FAILED_PRECONDITION",
        "The credit institution does not accept this card.",
    ),
    Reason.INSTITUTION_UNAVAILABLE: Description(
        "UNAVAILABLE",
        "The credit institution does not answer. Try again.",
    ),
    Reason.BILL_NOT_FOUND: Description("NOT_FOUND", "You have no such bill."),
    Reason.TICKET_NOT_FOUND: Description("NOT_FOUND", "You have no such ticket."),
    Reason.DEVICE_NOT_FOUND: Description("NOT_FOUND", "You have no such device."),
    Reason.CUSTOMER_NOT_FOUND: Description(
        "NOT_FOUND",
        "There is no customer with this login name.",
    ),
    Reason.MERCHANT_NOT_FOUND: Description(
        "NOT_FOUND",
        "There is no such merchant. Create it first.",
    ),
    Reason.TERMINAL_NOT_FOUND: Description("NOT_FOUND", "There is no such terminal."),
    Reason.EVENT_NOT_FOUND: Description("NOT_FOUND", "There is no such event. Create it first."),
    Reason.PROGRAMME_NOT_FOUND: Description(
        "NOT_FOUND",
        "There is no such points programme. Create it first.",
    ),
    Reason.TOO_MANY_REGISTRATIONS: Description(
        "FAILED_PRECONDITION",
        "No more than {limit} {what} can be registered. Remove one first.",
    ),
    Reason.ENROLMENT_CODE_INVALID: Description(
        "UNAUTHENTICATED",
        "The enrolment code is not valid. Ask the operator for a new one.",
    ),
    Reason.ALREADY_EXISTS_DIFFERENT: Description(
        "ALREADY_EXISTS",
        "This id is in use with other content. Choose another id.",
    ),
    Reason.POLICY_VERSION_CONFLICT: Description(
        "ABORTED",
        "The policy has changed since; it is at version {version}. Read it again.",
    ),
    Reason.PAGE_TOKEN_INVALID: Description(
        "INVALID_ARGUMENT",
        "The page token is not valid. Start from the first page.",
    ),
    Reason.OVERLOADED: Description("RESOURCE_EXHAUSTED", "The server is busy. Try again shortly."),
    Reason.SHUTTING_DOWN: Description("UNAVAILABLE", "The server is stopping. Try again shortly."),
    Reason.STORE_FAILED: Description(
        "UNAVAILABLE",
        "The server cannot reach its store. Try the same request again.",
    ),
    Reason.INTERNAL: Description(
        "INTERNAL",
        "The server made a mistake. Try the same request again; if it stays, tell the operator.",
    ),
    Reason.CERTIFICATE_EXPIRED: Description(
        "UNAUTHENTICATED",
        "The certificate has expired. Enrol again.",
    ),
    Reason.CERTIFICATE_REQUEST_INVALID: Description(
        "INVALID_ARGUMENT",
        "The certificate request is not valid. "
        "Send PKCS #10 in DER for an ECDSA P-256 key, signed by it.",
    ),
    Reason.DEVICE_PROOF_WRONG: Description(
        "INVALID_ARGUMENT",
        "The device's signature does not fit this request and key. See docs/signatures.md.",
    ),
    Reason.INVITATION_INVALID: Description(
        "PERMISSION_DENIED",
        "The invitation is not valid any more. "
        "Make another one on a device that you have, or ask the operator.",
    ),
    Reason.PASSWORD_COMMON: Description(
        "INVALID_ARGUMENT",
        "This password is among the first that a thief tries. Choose another one.",
    ),
    Reason.PASSWORD_WAIT: Description(
        "FAILED_PRECONDITION",
        "Too many wrong passwords. Try again in {seconds} seconds.",
    ),
    Reason.PASSWORD_LOCKED: Description(
        "PERMISSION_DENIED",
        "The password was wrong too often. Ask the operator to unlock it.",
    ),
    Reason.RATE_LIMITED: Description(
        "RESOURCE_EXHAUSTED",
        "Too many calls. Try again shortly.",
    ),
    Reason.TAG_INVALID: Description(
        "FAILED_PRECONDITION",
        "The terminal's tag is not valid. Scan it again; if it stays, do not pay here.",
    ),
    Reason.CONFIRMATION_SIGNATURE_WRONG: Description(
        "FAILED_PRECONDITION",
        "What was signed is not what would be done. Look at the sale again before you confirm it.",
    ),
    Reason.NUMBER_CODE_LIMIT: Description(
        "FAILED_PRECONDITION",
        "No more codes are sent today. Try again tomorrow.",
    ),
    Reason.OPERATOR_NOT_FOUND: Description(
        "NOT_FOUND",
        "There is no such operator.",
    ),
    Reason.OPERATOR_IS_CALLER: Description(
        "FAILED_PRECONDITION",
        "You cannot revoke yourself. Have another operator do it.",
    ),
    Reason.KEY_NOT_FOUND: Description(
        "NOT_FOUND",
        "There is no such key.",
    ),
    Reason.BACKUP_FAILED: Description(
        "FAILED_PRECONDITION",
        "The backup was not made: {why}.",
    ),
    Reason.RECOVERY_NOT_OPEN: Description(
        "FAILED_PRECONDITION",
        "No recovery with this id is open.",
    ),
    Reason.DISK_NEARLY_FULL: Description(
        "RESOURCE_EXHAUSTED",
        "The server's disk is nearly full. Try again later.",
    ),
    Reason.TERMINAL_NOT_DELEGATED: Description(
        "PERMISSION_DENIED",
        "You may not speak for {terminal_id}. Have the operator delegate it to you.",
    ),
}
