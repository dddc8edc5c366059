"""Comparing a day's charges with the credit institution's own list."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
import msgspec

from tallymark.v1 import credit_institution_service_pb2 as institution_contract
from tallymark.v1 import money_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.authorisation import (
    AuthorisationState,
    InstitutionSilent,
    ListedAuthorisation,
)
from tallymark_server.domain.identifiers import DIRECTORY, first_id
from tallymark_server.domain.model.processes import Process
from tallymark_server.domain.money import Money
from tallymark_server.domain.reconciliation import (
    Charge,
    Difference,
    charges_of,
    compare,
    sums,
)
from tallymark_server.institution import CreditInstitution
from tallymark_server.services.answering import load_one
from tallymark_server.services.messages_in import milliseconds_in
from tallymark_server.services.values_out import money_message, number_in_contract
from tallymark_server.storage.store import Store

__all__ = ["OperatorReconciliation"]

DAY_MILLISECONDS: Final = 86_400_000

MARGIN_MILLISECONDS: Final = 3_600_000
"""A charge may arrive there this long before or after it was made here: clocks differ."""

DIFFERENCES_MAX: Final = 1_000

PAGE_SECONDS: Final = 30.0
"""Longest wait for a page of the institution's list."""

_PAGE_ROWS: Final = 500

_STATES: Final = {
    AuthorisationState.NEVER_SEEN: institution_contract.AUTHORIZATION_STATE_NEVER_SEEN,
    AuthorisationState.UNKNOWN: institution_contract.AUTHORIZATION_STATE_UNKNOWN,
    AuthorisationState.DECIDED: institution_contract.AUTHORIZATION_STATE_DECIDED,
    AuthorisationState.CAPTURED: institution_contract.AUTHORIZATION_STATE_CAPTURED,
    AuthorisationState.REVERSED: institution_contract.AUTHORIZATION_STATE_REVERSED,
}

_Context = grpc.aio.ServicerContext[Any, Any]


class OperatorReconciliation:
    """The part of OperatorService that looks at both sides."""

    _store: Store
    _institution: CreditInstitution

    async def ReconcileDay(
        self, request: contract.ReconcileDayRequest, context: _Context
    ) -> contract.ReconcileDayResponse:
        """Compare the charges of a day. What changes meanwhile counts as under way."""
        since = milliseconds_in(request.starts_at)
        until = since + DAY_MILLISECONDS
        here = {one.authorisation_id: one async for one in self._charges(since, until)}
        there = await self._listed(since, until, here)
        differences = [
            await self._again(difference)
            for identifier in sorted(here.keys() | there.keys())
            if (difference := compare(identifier, here.get(identifier), there.get(identifier)))
        ]
        differences.sort(key=lambda difference: difference.is_under_way)
        under_way = sum(difference.is_under_way for difference in differences)
        return contract.ReconcileDayResponse(
            differences=map(_difference_message, differences[:DIFFERENCES_MAX]),
            compared=len(here.keys() | there.keys()),
            lasting=len(differences) - under_way,
            under_way=under_way,
            sums_here=_sum_messages(one.amount for one in here.values()),
            sums_there=_sum_messages(one.amount for one in there.values()),
        )

    async def _charges(self, since: int, until: int) -> AsyncIterator[Charge]:
        """Yield the charges of the processes born in this span."""
        first, last = first_id(DIRECTORY, since), first_id(DIRECTORY, until)
        while True:
            rows = await self._store.scan(
                Process, DIRECTORY, first=first, last=last, limit=_PAGE_ROWS
            )
            for charge in await self._charges_among(rows):
                yield charge
            if len(rows) < _PAGE_ROWS:
                return
            first = rows[-1].text + "\0"

    async def _charges_among(self, rows: Iterable[Process]) -> list[Charge]:
        """Return the charges of these processes, each with what undid it taken into account."""
        originals = [row for row in rows if not row.reverses]
        undone_by = [Process.key_of(row.reversed_by) for row in originals if row.reversed_by]
        found = await self._store.load(undone_by)
        reversals = {row.reverses: row for row in found.values() if isinstance(row, Process)}
        return [
            charge for row in originals for charge in charges_of(row, reversals.get(row.process_id))
        ]

    async def _listed(
        self, since: int, until: int, here: Iterable[str]
    ) -> dict[str, ListedAuthorisation]:
        """Return the institution's list of the day, by authorisation.

        Raises:
            UnknownOutcome: INSTITUTION_UNAVAILABLE.

        """
        try:
            listed = await self._institution.list_between(
                since - MARGIN_MILLISECONDS,
                until + MARGIN_MILLISECONDS,
                deadline_seconds=PAGE_SECONDS,
            )
        except InstitutionSilent as silence:
            raise UnknownOutcome(Reason.INSTITUTION_UNAVAILABLE) from silence
        ours = set(here)
        return {
            one.authorisation_id: one
            for one in listed
            if one.authorisation_id in ours
            or (since <= one.arrived_at < until and not await self._is_of_another_day(one))
        }

    async def _is_of_another_day(self, listed: ListedAuthorisation) -> bool:
        """Say whether the charge belongs to a process, which then was born before or after."""
        process_id, _, place = listed.authorisation_id.rpartition("-")
        try:
            process = await load_one(self._store, Process.key_of(process_id))
            return process is not None and process.actions[int(place)].authorisation is not None
        except (ValueError, IndexError):
            return False  # no id of this server

    async def _again(self, difference: Difference) -> Difference:
        """Return the difference; it is under way if the charge here has changed meanwhile."""
        here = difference.here
        process = await load_one(self._store, Process.key_of(here.process_id)) if here else None
        if here is None or process is None:
            return difference
        if here in await self._charges_among([process]):
            return difference
        changing = msgspec.structs.replace(here, is_under_way=True)
        return msgspec.structs.replace(difference, here=changing)


def _difference_message(difference: Difference) -> contract.ChargeDifference:
    here, there = difference.here, difference.there
    state = there.state if there else AuthorisationState.NEVER_SEEN
    message = contract.ChargeDifference(
        kind=number_in_contract(difference.kind),
        under_way=difference.is_under_way,
        authorisation_id=difference.authorisation_id,
        amount_here=money_message(here.amount) if here else None,
        state_there=_STATES[state],
        amount_there=money_message(there.amount) if there else None,
    )
    if here is not None:
        message.process_id = here.process_id
        message.settlement_here = number_in_contract(here.settlement)
    return message


def _sum_messages(amounts: Iterable[Money | None]) -> list[money_pb2.Money]:
    return [
        money_pb2.Money(currency_code=one.currency_code, minor_units=one.minor_units)
        for one in sums(amounts)
    ]
