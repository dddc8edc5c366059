"""Messages of the contract as domain values; the interceptor has checked the contract's rules."""

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import (
    action_pb2,
    identification_pb2,
    merchant_pb2,
    money_pb2,
    policy_pb2,
    registration_pb2,
)
from tallymark_server.domain.commands import ProcessName
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.actions import (
    AdmitAsk,
    Ask,
    BurnPointsAsk,
    ChargeAsk,
    EarnPointsAsk,
    Funding,
    PayBillAsk,
    ReadPointsAsk,
)
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    PasswordRule,
    PointsProgramme,
    Policy,
    ReentryRule,
)
from tallymark_server.domain.model.registrations import AdmitDirection, Bill, Ticket
from tallymark_server.domain.money import Money

__all__ = [
    "ask_from",
    "bill_from",
    "event_from",
    "merchant_from",
    "milliseconds_in",
    "money_from",
    "policy_from",
    "process_name_from",
    "programme_from",
    "ticket_from",
]


def ask_from(message: action_pb2.Action) -> Ask:
    """Return what the action asks for."""
    match message.WhichOneof("kind"):
        case "charge":
            has_amount = message.charge.HasField("amount")
            return ChargeAsk(amount=money_from(message.charge.amount) if has_amount else None)
        case "pay_bill":
            return PayBillAsk(
                bill_reference=message.pay_bill.bill_reference,
                funding=Funding(message.pay_bill.funding),
            )
        case "admit":
            return AdmitAsk(
                event_id=message.admit.event_id,
                direction=AdmitDirection(message.admit.direction),
            )
        case "earn_points":
            return EarnPointsAsk(points=message.earn_points.points)
        case "burn_points":
            return BurnPointsAsk(points=message.burn_points.points)
        case _:
            return ReadPointsAsk()


def money_from(message: money_pb2.Money) -> Money:
    """Return the amount."""
    return Money(currency_code=message.currency_code, minor_units=message.minor_units)


def process_name_from(message: identification_pb2.ProcessReference) -> ProcessName:
    """Return by which name the process is meant: its id if it is given."""
    return ProcessName(
        process_id=message.identification.process_id,
        resolve_request_id=message.resolve_request_id.lower(),
    )


def merchant_from(message: merchant_pb2.Merchant) -> Merchant:
    """Return the merchant."""
    return Merchant(
        partition=DIRECTORY,
        merchant_id=message.merchant_id,
        name=message.name,
        programme_id=message.programme_id,
    )


def event_from(message: registration_pb2.Event) -> Event:
    """Return the event."""
    return Event(
        partition=DIRECTORY,
        event_id=message.event_id,
        merchant_id=message.merchant_id,
        name=message.name,
        reentry_rule=ReentryRule(message.reentry_rule),
    )


def programme_from(message: registration_pb2.PointsProgramme) -> PointsProgramme:
    """Return the points programme."""
    return PointsProgramme(
        partition=DIRECTORY,
        programme_id=message.programme_id,
        name=message.name,
        point_value=money_from(message.point_value),
        earn_points_max=message.earn_points_max,
    )


def bill_from(message: registration_pb2.Bill) -> Bill:
    """Return the bill; its customer is found by the rules."""
    return Bill(
        partition=DIRECTORY,
        merchant_id=message.merchant_id,
        bill_reference=message.bill_reference,
        customer_id="",
        login_name=message.login_name,
        amount=money_from(message.amount),
        description=message.description,
        due_on=message.due_on,
    )


def ticket_from(message: registration_pb2.Ticket) -> Ticket:
    """Return the ticket; its customer is found by the rules."""
    return Ticket(
        partition=DIRECTORY,
        event_id=message.event_id,
        ticket_id=message.ticket_id,
        customer_id="",
        login_name=message.login_name,
        entries=message.entries,
        valid_from=milliseconds_in(message.valid_from),
        valid_until=milliseconds_in(message.valid_until),
        place=message.place,
    )


def policy_from(message: policy_pb2.Policy) -> Policy:
    """Return the policy."""
    return Policy(
        version=message.version,
        code_life_seconds=message.code_life_seconds,
        points_code_life_seconds=message.points_code_life_seconds,
        confirm_within_seconds=message.confirm_within_seconds,
        execute_within_seconds=message.execute_within_seconds,
        close_after_seconds=message.close_after_seconds,
        reversal_window_seconds=message.reversal_window_seconds,
        confirm_money_from=message.confirm_money_from,
        confirm_points_from=message.confirm_points_from,
        confirm_admission=message.confirm_admission,
        password_rule=PasswordRule(message.password_rule),
        session_life_seconds=message.session_life_seconds,
        bind_money_from=message.bind_money_from if message.HasField("bind_money_from") else None,
        unconfirmed_count_max=message.unconfirmed_count_max,
        unconfirmed_sum_max=message.unconfirmed_sum_max,
        new_terminal_days=message.new_terminal_days,
        new_terminal_count_max=message.new_terminal_count_max,
        new_terminal_sum_max=message.new_terminal_sum_max,
        tag_life_seconds=message.tag_life_seconds,
        keep_requests_days=message.keep_requests_days,
        keep_processes_days=message.keep_processes_days,
        keep_journal_days=message.keep_journal_days,
    )


def milliseconds_in(message: Timestamp) -> int:
    """Return a time; 0 for none. No rule bounds the nanoseconds: they may exceed a second."""
    return max(0, message.seconds * 1000 + message.nanos // 1_000_000)
