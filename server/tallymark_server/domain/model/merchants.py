"""Merchants, their terminals and events, programmes, operators, policy, and callers' keys."""

from enum import IntEnum, StrEnum
from typing import ClassVar

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import DirectoryRow, Key, Row
from tallymark_server.domain.value import Value

__all__ = [
    "CallerKind",
    "CertifiedKey",
    "Credential",
    "Enrolment",
    "Event",
    "Merchant",
    "Operator",
    "PasswordRule",
    "PointsProgramme",
    "Policy",
    "ReentryRule",
    "Terminal",
    "TerminalState",
]


class Merchant(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A business whose terminals scan codes."""

    table: ClassVar[str] = "merchants"
    is_open: ClassVar[bool] = True  # a business and its public name
    key_fields: ClassVar[tuple[str, ...]] = ("merchant_id",)

    merchant_id: str
    name: str
    programme_id: str = ""


class CertifiedKey(Value, frozen=True, kw_only=True):
    """A key of a terminal or operator, and the end of its newest certificate."""

    key_hash: str
    expires_at: int


class TerminalState(IntEnum):
    """Where a terminal's enrolment stands; numbers as in the contract."""

    CREATED = 1
    ENROLLED = 2
    REVOKED = 3


class Terminal(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A till, gate or kiosk of one merchant."""

    table: ClassVar[str] = "terminals"
    is_open: ClassVar[bool] = True  # ids, hashes of keys, a state
    key_fields: ClassVar[tuple[str, ...]] = ("terminal_id",)

    terminal_id: str
    merchant_id: str
    state: TerminalState = TerminalState.CREATED
    enrolled_at: int = 0
    generation: int = 0
    """Times that it was let enrol once more; each has an enrolment code of its own."""

    keys: tuple[CertifiedKey, ...] = ()
    concentrator_id: str = ""
    """Terminal of the same merchant that may speak for it; empty for none."""

    delegated_at: int = 0
    """Time since which that one may."""


class Operator(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A person who runs the server."""

    table: ClassVar[str] = "operators"
    is_open: ClassVar[bool] = True  # ids, hashes of keys, a state
    key_fields: ClassVar[tuple[str, ...]] = ("operator_id",)

    operator_id: str
    is_revoked: bool = False
    keys: tuple[CertifiedKey, ...] = ()


class CallerKind(StrEnum):
    """Who calls."""

    CUSTOMER = "customer"
    TERMINAL = "terminal"
    OPERATOR = "operator"
    ANYONE = "anyone"
    SERVER = "server"


class Credential(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """Whose key this is: a line of the list of keys that may call, looked up on every call.

    The key is named by the SHA-256 of its SubjectPublicKeyInfo.
    """

    table: ClassVar[str] = "credentials"
    is_open: ClassVar[bool] = True  # hashes and ids
    key_fields: ClassVar[tuple[str, ...]] = ("key_hash",)

    key_hash: str
    kind: CallerKind
    owner_id: str
    expires_at: int


class Enrolment(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A one-time right to become this terminal or operator, found by the SHA-256 of its code."""

    table: ClassVar[str] = "enrolments"
    is_open: ClassVar[bool] = True  # hashes and ids
    key_fields: ClassVar[tuple[str, ...]] = ("code_hash",)

    code_hash: str
    kind: CallerKind
    owner_id: str
    generation: int = 0


class ReentryRule(IntEnum):
    """What a second entry with one ticket needs; numbers as in the contract."""

    EACH_ENTRY_COUNTS = 1
    EXIT_BETWEEN = 2
    FREE_AFTER_EXIT = 3


class Event(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """What tickets admit to."""

    table: ClassVar[str] = "events"
    is_open: ClassVar[bool] = True  # what is announced in public
    key_fields: ClassVar[tuple[str, ...]] = ("event_id",)

    event_id: str
    merchant_id: str
    name: str
    reentry_rule: ReentryRule


class PointsProgramme(DirectoryRow, frozen=True, kw_only=True, omit_defaults=True):
    """A currency of points."""

    table: ClassVar[str] = "programmes"
    is_open: ClassVar[bool] = True  # what is announced in public
    key_fields: ClassVar[tuple[str, ...]] = ("programme_id",)

    programme_id: str
    name: str
    point_value: Money
    earn_points_max: int


class PasswordRule(IntEnum):
    """When issuing a code needs the password; numbers as in the contract."""

    NEVER = 1
    GENERAL_CODES = 2
    ALWAYS = 3


class Policy(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers an operator may set, with their defaults and where these come from.

    Amounts are minor units of whatever currency is charged. What is None does not apply.
    """

    table: ClassVar[str] = "policies"
    is_open: ClassVar[bool] = True  # numbers that hold for everybody

    partition: int = DIRECTORY
    version: int = 1
    code_life_seconds: int = 60  # WeChat Pay: 1 minute
    points_code_life_seconds: int = 300  # LINE Pay: 5 minutes
    confirm_within_seconds: int = 45
    execute_within_seconds: int = 60
    close_after_seconds: int = 180  # Alipay closes after 180 s
    reversal_window_seconds: int = 7 * 24 * 3600  # WeChat Pay: 7 days
    confirm_money_from: int = 5_000
    confirm_points_from: int = 1_000
    confirm_admission: bool = False
    password_rule: PasswordRule = PasswordRule.NEVER
    session_life_seconds: int = 30 * 24 * 3600
    bind_money_from: int | None = None
    unconfirmed_count_max: int = 10
    unconfirmed_sum_max: int = 15_000
    new_terminal_days: int = 30
    new_terminal_count_max: int = 100
    new_terminal_sum_max: int = 100_000
    tag_life_seconds: int = 60
    keep_requests_days: int = 30
    keep_processes_days: int = 400  # PSD2, article 71: a payer may object for 13 months
    keep_journal_days: int = 3_650  # 10 years, as books are kept
    is_current: bool = True

    @property
    def text(self) -> str:
        """Key text: "current", or the number of an earlier version."""
        return "current" if self.is_current else f"{self.version:012d}"

    @staticmethod
    def key_of_current() -> "Key[Policy]":
        """Return the key of the policy in force."""
        return Key(Policy, DIRECTORY, "current")
