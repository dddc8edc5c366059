"""What is registered, and what the operator keeps, as messages of the contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from tallymark.v1 import (
    key_pb2,
    merchant_pb2,
    operator_service_pb2,
    policy_pb2,
    registration_pb2,
)
from tallymark_protocol.code_keys import VerificationKey
from tallymark_server.domain.model.merchants import (
    Event,
    Merchant,
    Operator,
    PointsProgramme,
    Policy,
    Terminal,
)
from tallymark_server.domain.model.people import Card
from tallymark_server.domain.model.registrations import (
    Bill,
    PointsAccount,
    Ticket,
)
from tallymark_server.services.values_out import (
    money_message,
    number_in_contract,
    time_message,
    use_message,
)

__all__ = [
    "bill_message",
    "card_message",
    "event_message",
    "merchant_message",
    "operator_message",
    "points_account_message",
    "policy_message",
    "programme_message",
    "terminal_message",
    "ticket_message",
    "verification_key_message",
]


def card_message(card: Card, *, is_default: bool) -> registration_pb2.Card:
    """Return a card as its customer may see it."""
    return registration_pb2.Card(
        card_id=card.card_id,
        brand=card.brand,
        last_four=card.last_four,
        expires_on=card.expires_on,
        is_default=is_default,
    )


def bill_message(bill: Bill) -> registration_pb2.Bill:
    """Return a bill."""
    return registration_pb2.Bill(
        merchant_id=bill.merchant_id,
        bill_reference=bill.bill_reference,
        login_name=bill.login_name,
        amount=money_message(bill.amount),
        description=bill.description,
        due_on=bill.due_on,
        state=number_in_contract(bill.state),
        process_id=bill.process_id,
    )


def ticket_message(ticket: Ticket, event_name: str) -> registration_pb2.Ticket:
    """Return a ticket."""
    return registration_pb2.Ticket(
        event_id=ticket.event_id,
        ticket_id=ticket.ticket_id,
        login_name=ticket.login_name,
        entries=ticket.entries,
        valid_from=time_message(ticket.valid_from),
        valid_until=time_message(ticket.valid_until),
        place=ticket.place,
        entries_used=ticket.entries_used,
        first_use=use_message(ticket.uses[0]) if ticket.uses else None,
        last_use=use_message(ticket.uses[-1]) if ticket.uses else None,
        event_name=event_name,
    )


def points_account_message(
    account: PointsAccount, programme_name: str, *, for_operator: bool
) -> registration_pb2.PointsAccount:
    """Return a points account."""
    return registration_pb2.PointsAccount(
        programme_id=account.programme_id,
        programme_name=programme_name,
        balance=account.balance,
        held=account.held,
        version=account.version,
        login_name=account.login_name if for_operator else "",
        debt=account.debt,
    )


def merchant_message(merchant: Merchant) -> merchant_pb2.Merchant:
    """Return a merchant."""
    return merchant_pb2.Merchant(
        merchant_id=merchant.merchant_id,
        name=merchant.name,
        programme_id=merchant.programme_id,
    )


def terminal_message(terminal: Terminal) -> merchant_pb2.Terminal:
    """Return a terminal."""
    return merchant_pb2.Terminal(
        terminal_id=terminal.terminal_id,
        merchant_id=terminal.merchant_id,
        state=number_in_contract(terminal.state),
        enrolled_at=time_message(terminal.enrolled_at),
        concentrator_id=terminal.concentrator_id,
    )


def operator_message(operator: Operator) -> operator_service_pb2.Operator:
    """Return an operator."""
    return operator_service_pb2.Operator(
        operator_id=operator.operator_id,
        enrolled=bool(operator.keys),
        revoked=operator.is_revoked,
    )


def event_message(event: Event) -> registration_pb2.Event:
    """Return an event."""
    return registration_pb2.Event(
        event_id=event.event_id,
        merchant_id=event.merchant_id,
        name=event.name,
        reentry_rule=number_in_contract(event.reentry_rule),
    )


def programme_message(programme: PointsProgramme) -> registration_pb2.PointsProgramme:
    """Return a points programme."""
    return registration_pb2.PointsProgramme(
        programme_id=programme.programme_id,
        name=programme.name,
        point_value=money_message(programme.point_value),
        earn_points_max=programme.earn_points_max,
    )


def policy_message(policy: Policy) -> policy_pb2.Policy:
    """Return a policy."""
    return policy_pb2.Policy(
        version=policy.version,
        code_life_seconds=policy.code_life_seconds,
        points_code_life_seconds=policy.points_code_life_seconds,
        confirm_within_seconds=policy.confirm_within_seconds,
        execute_within_seconds=policy.execute_within_seconds,
        close_after_seconds=policy.close_after_seconds,
        reversal_window_seconds=policy.reversal_window_seconds,
        confirm_money_from=policy.confirm_money_from,
        confirm_points_from=policy.confirm_points_from,
        confirm_admission=policy.confirm_admission,
        password_rule=number_in_contract(policy.password_rule),
        session_life_seconds=policy.session_life_seconds,
        bind_money_from=policy.bind_money_from,
        unconfirmed_count_max=policy.unconfirmed_count_max,
        unconfirmed_sum_max=policy.unconfirmed_sum_max,
        new_terminal_days=policy.new_terminal_days,
        new_terminal_count_max=policy.new_terminal_count_max,
        new_terminal_sum_max=policy.new_terminal_sum_max,
        tag_life_seconds=policy.tag_life_seconds,
        keep_requests_days=policy.keep_requests_days,
        keep_processes_days=policy.keep_processes_days,
        keep_journal_days=policy.keep_journal_days,
    )


def verification_key_message(key: VerificationKey) -> key_pb2.VerificationKey:
    """Return a public key that verifies codes."""
    return key_pb2.VerificationKey(
        key_id=key.key_id,
        public_key=key_pb2.PublicKey(
            algorithm=key_pb2.KEY_ALGORITHM_ED25519,
            key_bytes=key.public_key.public_bytes_raw(),
        ),
        valid_from=Timestamp(seconds=key.valid_from_seconds),
        valid_until=Timestamp(seconds=key.valid_until_seconds),
    )
