"""Makes the services of a server, and what only they share."""

from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.keys import KeyKind
from tallymark_server.keys.ring import KeyRing
from tallymark_server.lanes.feed import Feed
from tallymark_server.lanes.key_keeper import KeyKeeper
from tallymark_server.lanes.lane import Lane
from tallymark_server.limits import Turnstile
from tallymark_server.parts import PARTITIONS, Parts
from tallymark_server.passwords import Passwords
from tallymark_server.ports import PortNumbers, Services
from tallymark_server.services.callers import Callers
from tallymark_server.services.checkpoints import Checkpoints
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.customer import CustomerService
from tallymark_server.services.enrolment import Certificates
from tallymark_server.services.exchange import Exchange
from tallymark_server.services.exchange_batches import BatchDesk
from tallymark_server.services.lookup import Lookup
from tallymark_server.services.operator import OperatorService
from tallymark_server.services.operator_keys import KeyRings
from tallymark_server.services.password_guard import PasswordGuard
from tallymark_server.services.sealed_records import SealedRecords
from tallymark_server.services.tag_maker import TagMaker
from tallymark_server.services.terminal import TerminalService
from tallymark_server.services.terminal_answers import TerminalAnswers
from tallymark_server.services.terminal_commands import TerminalCommands
from tallymark_server.services.witnesses import Witnesses

__all__ = ["make_services"]


def make_services(  # noqa: PLR0913 -- what the services share
    parts: Parts,
    numbers: PortNumbers,
    *,
    lane: Lane,
    feed: Feed,
    passwords: Passwords,
    checkpoints: Checkpoints,
    key_keeper: KeyKeeper,
    callers: Callers,
    turnstile: Turnstile,
    witnesses: Witnesses,
) -> Services:
    """Return all services of a server."""
    codes = CodeMaker(parts.keyring, parts.clock)
    tags = TagMaker(parts.keyring, parts.clock)
    records = SealedRecords(parts.keyring.records_key)
    lookup = Lookup(store=parts.store, keyring=parts.keyring, codes=codes, partitions=PARTITIONS)
    certificates = Certificates(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        authority=parts.authority,
    )
    customers = CustomerService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        passwords=PasswordGuard(lane=lane, store=parts.store, passwords=passwords),
        institution=parts.institution,
        number_sender=parts.number_sender,
        birth_partition=DIRECTORY,
        codes=codes,
        tags=tags,
        checkpoints=checkpoints,
        feed=feed,
    )
    terminal_commands = TerminalCommands(keyring=parts.keyring, lookup=lookup)
    terminal_answers = TerminalAnswers(keyring=parts.keyring, lookup=lookup, records=records)
    exchange = Exchange(
        desk=BatchDesk(
            lane=lane,
            lookup=lookup,
            callers=callers,
            turnstile=turnstile,
            commands=terminal_commands,
            answers=terminal_answers,
        ),
        answers=terminal_answers,
        lookup=lookup,
        feed=feed,
        checkpoints=checkpoints,
        witnesses=witnesses,
    )
    terminals = TerminalService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        lookup=lookup,
        tags=tags,
        feed=feed,
        certificates=certificates,
        checkpoints=checkpoints,
        records=records,
        commands=terminal_commands,
        answers=terminal_answers,
        exchange=exchange,
        port=lambda: numbers.terminals,
    )
    operators = OperatorService(
        lane=lane,
        store=parts.store,
        clock=parts.clock,
        keyring=parts.keyring,
        rings=_rings(parts, key_keeper),
        backups=parts.backups,
        certificates=certificates,
        checkpoints=checkpoints,
        institution=parts.institution,
        port=lambda: numbers.operators,
    )
    return Services(customers=customers, terminals=terminals, operators=operators)


def _rings(parts: Parts, key_keeper: KeyKeeper) -> KeyRings:
    """Return the rings of keys that an operator may rotate."""
    rings: dict[KeyKind, KeyRing] = {
        KeyKind.SIGNING: parts.keyring.signing,
        KeyKind.CELLS: parts.keyring.cells,
    }
    if parts.tls is not None:
        rings[KeyKind.TLS] = parts.tls
    return KeyRings(rings, notice=key_keeper.notice)
