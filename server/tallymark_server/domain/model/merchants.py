"""Merchants, their terminals and events, programmes, operators, policy, and callers' secrets."""

from enum import IntEnum, StrEnum
from typing import ClassVar

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Key, Row

__all__ = [
    "CallerKind",
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


class Merchant(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A business whose terminals scan codes."""

    table: ClassVar[str] = "merchants"

    merchant_id: str
    name: str
    programme_id: str = ""

    @property
    def text(self) -> str:
        """Key text: the merchant's id."""
        return self.merchant_id

    @staticmethod
    def key_of(merchant_id: str) -> "Key[Merchant]":
        """Return the key of the merchant with this id."""
        return Key(Merchant, DIRECTORY, merchant_id)


class TerminalState(IntEnum):
    """Where a terminal's enrolment stands; numbers as in the contract."""

    CREATED = 1
    ENROLLED = 2
    REVOKED = 3


class Terminal(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A till, gate or kiosk of one merchant."""

    table: ClassVar[str] = "terminals"

    terminal_id: str
    merchant_id: str
    state: TerminalState = TerminalState.CREATED
    enrolled_at: int = 0
    secret_hash: str = ""

    @property
    def text(self) -> str:
        """Key text: the terminal's id."""
        return self.terminal_id

    @staticmethod
    def key_of(terminal_id: str) -> "Key[Terminal]":
        """Return the key of the terminal with this id."""
        return Key(Terminal, DIRECTORY, terminal_id)


class Operator(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A person who runs the server."""

    table: ClassVar[str] = "operators"

    operator_id: str

    @property
    def text(self) -> str:
        """Key text: the operator's id."""
        return self.operator_id

    @staticmethod
    def key_of(operator_id: str) -> "Key[Operator]":
        """Return the key of the operator with this id."""
        return Key(Operator, DIRECTORY, operator_id)


class CallerKind(StrEnum):
    """Who calls."""

    CUSTOMER = "customer"
    TERMINAL = "terminal"
    OPERATOR = "operator"
    ANYONE = "anyone"
    SERVER = "server"


class Credential(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Whose secret this is, found by its SHA-256."""

    table: ClassVar[str] = "credentials"

    secret_hash: str
    kind: CallerKind
    owner_id: str

    @property
    def text(self) -> str:
        """Key text: the hash of the secret."""
        return self.secret_hash

    @staticmethod
    def key_of(secret_hash: str) -> "Key[Credential]":
        """Return the key of the credential with this secret hash."""
        return Key(Credential, DIRECTORY, secret_hash)


class Enrolment(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A one-time right to become this terminal or operator, found by the SHA-256 of its code."""

    table: ClassVar[str] = "enrolments"

    code_hash: str
    kind: CallerKind
    owner_id: str

    @property
    def text(self) -> str:
        """Key text: the hash of the code."""
        return self.code_hash

    @staticmethod
    def key_of(code_hash: str) -> "Key[Enrolment]":
        """Return the key of the enrolment with this code hash."""
        return Key(Enrolment, DIRECTORY, code_hash)


class ReentryRule(IntEnum):
    """What a second entry with one ticket needs; numbers as in the contract."""

    EACH_ENTRY_COUNTS = 1
    EXIT_BETWEEN = 2
    FREE_AFTER_EXIT = 3


class Event(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What tickets admit to."""

    table: ClassVar[str] = "events"

    event_id: str
    merchant_id: str
    name: str
    reentry_rule: ReentryRule

    @property
    def text(self) -> str:
        """Key text: the event's id."""
        return self.event_id

    @staticmethod
    def key_of(event_id: str) -> "Key[Event]":
        """Return the key of the event with this id."""
        return Key(Event, DIRECTORY, event_id)


class PointsProgramme(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A currency of points."""

    table: ClassVar[str] = "programmes"

    programme_id: str
    name: str
    point_value: Money
    earn_points_max: int

    @property
    def text(self) -> str:
        """Key text: the programme's id."""
        return self.programme_id

    @staticmethod
    def key_of(programme_id: str) -> "Key[PointsProgramme]":
        """Return the key of the programme with this id."""
        return Key(PointsProgramme, DIRECTORY, programme_id)


class PasswordRule(IntEnum):
    """When issuing a code needs the password; numbers as in the contract."""

    NEVER = 1
    GENERAL_CODES = 2
    ALWAYS = 3


class Policy(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers an operator may set, with their defaults and where these come from."""

    table: ClassVar[str] = "policies"

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
    is_current: bool = True

    @property
    def text(self) -> str:
        """Key text: "current", or the number of an earlier version."""
        return "current" if self.is_current else f"{self.version:012d}"

    @staticmethod
    def key_of_current() -> "Key[Policy]":
        """Return the key of the policy in force."""
        return Key(Policy, DIRECTORY, "current")
