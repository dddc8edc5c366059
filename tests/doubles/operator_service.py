"""A double of the OperatorService for the tests of the operator's command line.

It keeps everything in memory and answers as the contract says: ids that exist with other content
are refused, the same content again changes nothing, each row has an outcome of its own. It decides
nothing about processes; a test puts them in.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from tallymark.v1 import merchant_pb2, policy_pb2, process_pb2, registration_pb2
from tallymark.v1 import operator_service_pb2 as contract
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import DESCRIPTIONS, Reason

from .operator_access import AccessDouble
from .operator_recovery import RecoveryDouble

DEFAULT_POLICY = policy_pb2.Policy(
    version=1,
    code_life_seconds=60,
    points_code_life_seconds=300,
    confirm_within_seconds=45,
    execute_within_seconds=60,
    close_after_seconds=180,
    reversal_window_seconds=604_800,
    confirm_money_from=5000,
    confirm_points_from=1000,
    password_rule=policy_pb2.PASSWORD_RULE_NEVER,
    session_life_seconds=2_592_000,
    unconfirmed_count_max=10,
    unconfirmed_sum_max=15_000,
    new_terminal_days=30,
    new_terminal_count_max=100,
    new_terminal_sum_max=100_000,
    tag_life_seconds=60,
    keep_requests_days=30,
    keep_processes_days=400,
    keep_journal_days=3_650,
)

MessageT = TypeVar("MessageT", bound=Message)
Key = tuple[str, ...]
Context = Any


class OperatorServiceDouble(RecoveryDouble, AccessDouble):
    """Holds what the calls leave behind, in fields that tests may read and fill."""

    def __init__(self, *, customers: Iterable[str] = ()) -> None:
        super().__init__(customers=set(customers))
        self.merchants: dict[Key, merchant_pb2.Merchant] = {}
        self.terminals: dict[Key, merchant_pb2.Terminal] = {}
        self.events: dict[Key, registration_pb2.Event] = {}
        self.programmes: dict[Key, registration_pb2.PointsProgramme] = {}
        self.bills: dict[Key, registration_pb2.Bill] = {}
        self.tickets: dict[Key, registration_pb2.Ticket] = {}
        self.grants: dict[Key, contract.PointsGrant] = {}
        self.policy = DEFAULT_POLICY
        self.processes: dict[Key, process_pb2.Process] = {}
        self.unresolved: set[str] = set()
        self.questions: list[contract.OpenQuestion] = []
        self.reconciliation = contract.ReconcileDayResponse()
        self.reconciled_days: list[str] = []
        self.rows_per_call: list[int] = []

    async def ListOperators(
        self, request: contract.ListOperatorsRequest, _: Context
    ) -> contract.ListOperatorsResponse:
        page, token = _page(request.page, self.operators)
        return contract.ListOperatorsResponse(operators=page, next_page_token=token)

    async def CreateMerchant(
        self, request: contract.CreateMerchantRequest, _: Context
    ) -> contract.CreateMerchantResponse:
        merchant = request.merchant
        if merchant.programme_id and (merchant.programme_id,) not in self.programmes:
            raise Refused(Reason.PROGRAMME_NOT_FOUND)
        _create(self.merchants, (merchant.merchant_id,), merchant)
        return contract.CreateMerchantResponse(merchant=merchant)

    async def ListMerchants(
        self, request: contract.ListMerchantsRequest, _: Context
    ) -> contract.ListMerchantsResponse:
        page, token = _page(request.page, self.merchants)
        return contract.ListMerchantsResponse(merchants=page, next_page_token=token)

    async def CreateTerminal(
        self, request: contract.CreateTerminalRequest, _: Context
    ) -> contract.CreateTerminalResponse:
        if (request.merchant_id,) not in self.merchants:
            raise Refused(Reason.MERCHANT_NOT_FOUND)
        terminal = merchant_pb2.Terminal(
            terminal_id=request.terminal_id,
            merchant_id=request.merchant_id,
            state=merchant_pb2.TERMINAL_STATE_CREATED,
        )
        _create(self.terminals, (request.terminal_id,), terminal)
        code = self.enrolment_code(f"terminal/{request.terminal_id}")
        return contract.CreateTerminalResponse(terminal=terminal, enrolment_code=code)

    async def RevokeTerminal(
        self, request: contract.RevokeTerminalRequest, _: Context
    ) -> contract.RevokeTerminalResponse:
        terminal = self.terminals.get((request.terminal_id,))
        if terminal is None:
            raise Refused(Reason.TERMINAL_NOT_FOUND)
        terminal.state = merchant_pb2.TERMINAL_STATE_REVOKED
        return contract.RevokeTerminalResponse(terminal=terminal)

    async def DelegateTerminal(
        self, request: contract.DelegateTerminalRequest, _: Context
    ) -> contract.DelegateTerminalResponse:
        terminal = self.terminals.get((request.terminal_id,))
        concentrator = self.terminals.get((request.concentrator_id,))
        if terminal is None or (request.concentrator_id and concentrator is None):
            raise Refused(Reason.TERMINAL_NOT_FOUND)
        terminal.concentrator_id = request.concentrator_id
        return contract.DelegateTerminalResponse(terminal=terminal)

    async def ReenrollTerminal(
        self, request: contract.ReenrollTerminalRequest, _: Context
    ) -> contract.ReenrollTerminalResponse:
        terminal = self.terminals.get((request.terminal_id,))
        if terminal is None:
            raise Refused(Reason.TERMINAL_NOT_FOUND)
        terminal.state = merchant_pb2.TERMINAL_STATE_CREATED
        code = f"second-code-of-terminal/{request.terminal_id}"
        self.enrolment_codes[f"terminal/{request.terminal_id}"] = code
        return contract.ReenrollTerminalResponse(terminal=terminal, enrolment_code=code)

    async def ListTerminals(
        self, request: contract.ListTerminalsRequest, _: Context
    ) -> contract.ListTerminalsResponse:
        page, token = _page(request.page, self.terminals)
        return contract.ListTerminalsResponse(terminals=page, next_page_token=token)

    async def CreateEvent(
        self, request: contract.CreateEventRequest, _: Context
    ) -> contract.CreateEventResponse:
        if (request.event.merchant_id,) not in self.merchants:
            raise Refused(Reason.MERCHANT_NOT_FOUND)
        _create(self.events, (request.event.event_id,), request.event)
        return contract.CreateEventResponse(event=request.event)

    async def ListEvents(
        self, request: contract.ListEventsRequest, _: Context
    ) -> contract.ListEventsResponse:
        page, token = _page(request.page, self.events)
        return contract.ListEventsResponse(events=page, next_page_token=token)

    async def CreateProgramme(
        self, request: contract.CreateProgrammeRequest, _: Context
    ) -> contract.CreateProgrammeResponse:
        _create(self.programmes, (request.programme.programme_id,), request.programme)
        return contract.CreateProgrammeResponse(programme=request.programme)

    async def ListProgrammes(
        self, request: contract.ListProgrammesRequest, _: Context
    ) -> contract.ListProgrammesResponse:
        page, token = _page(request.page, self.programmes)
        return contract.ListProgrammesResponse(programmes=page, next_page_token=token)

    async def AddBills(
        self, request: contract.AddBillsRequest, _: Context
    ) -> contract.AddBillsResponse:
        self.rows_per_call.append(len(request.bills))
        outcomes = [
            self._add_row(
                self.bills,
                (bill.merchant_id, bill.bill_reference),
                bill,
                missing=[Reason.MERCHANT_NOT_FOUND][(bill.merchant_id,) in self.merchants :],
            )
            for bill in request.bills
        ]
        return contract.AddBillsResponse(outcomes=outcomes)

    async def ListBills(
        self, request: contract.ListBillsRequest, _: Context
    ) -> contract.ListBillsResponse:
        page, token = _page(request.page, self.bills)
        answer = contract.ListBillsResponse(bills=page, next_page_token=token)
        for bill in answer.bills:
            bill.state = registration_pb2.BILL_STATE_OPEN
        return answer

    async def AddTickets(
        self, request: contract.AddTicketsRequest, _: Context
    ) -> contract.AddTicketsResponse:
        self.rows_per_call.append(len(request.tickets))
        outcomes = [
            self._add_row(
                self.tickets,
                (ticket.event_id, ticket.ticket_id),
                ticket,
                missing=[Reason.EVENT_NOT_FOUND][(ticket.event_id,) in self.events :],
            )
            for ticket in request.tickets
        ]
        return contract.AddTicketsResponse(outcomes=outcomes)

    async def ListTickets(
        self, request: contract.ListTicketsRequest, _: Context
    ) -> contract.ListTicketsResponse:
        page, token = _page(request.page, self.tickets)
        return contract.ListTicketsResponse(tickets=page, next_page_token=token)

    async def AddPoints(
        self, request: contract.AddPointsRequest, _: Context
    ) -> contract.AddPointsResponse:
        self.rows_per_call.append(len(request.grants))
        outcomes = [
            self._add_row(
                self.grants,
                (grant.login_name, grant.programme_id, grant.grant_reference),
                grant,
                missing=[Reason.PROGRAMME_NOT_FOUND][(grant.programme_id,) in self.programmes :],
            )
            for grant in request.grants
        ]
        return contract.AddPointsResponse(outcomes=outcomes)

    async def ListPointsAccounts(
        self, request: contract.ListPointsAccountsRequest, _: Context
    ) -> contract.ListPointsAccountsResponse:
        accounts: dict[Key, registration_pb2.PointsAccount] = {}
        for (login_name, programme_id, _reference), grant in self.grants.items():
            account = accounts.setdefault(
                (login_name, programme_id),
                registration_pb2.PointsAccount(login_name=login_name, programme_id=programme_id),
            )
            account.balance += grant.points
            account.version += 1
        page, token = _page(request.page, accounts)
        return contract.ListPointsAccountsResponse(points_accounts=page, next_page_token=token)

    async def ListCustomers(
        self, request: contract.ListCustomersRequest, _: Context
    ) -> contract.ListCustomersResponse:
        summaries: dict[Key, contract.CustomerSummary] = {
            (name,): contract.CustomerSummary(customer_id=f"id-{name}", login_name=name, devices=1)
            for name in self.customers
        }
        page, token = _page(request.page, summaries)
        return contract.ListCustomersResponse(customers=page, next_page_token=token)

    async def GetPolicy(
        self, request: contract.GetPolicyRequest, _: Context
    ) -> contract.GetPolicyResponse:
        return contract.GetPolicyResponse(policy=self.policy)

    async def SetPolicy(
        self, request: contract.SetPolicyRequest, _: Context
    ) -> contract.SetPolicyResponse:
        wanted, in_force = policy_pb2.Policy(), policy_pb2.Policy()
        wanted.CopyFrom(request.policy)
        in_force.CopyFrom(self.policy)
        wanted.version = in_force.version = 0
        if wanted != in_force:
            if request.policy.version != self.policy.version:
                version = str(self.policy.version)
                raise Refused(Reason.POLICY_VERSION_CONFLICT, version=version)
            wanted.version = self.policy.version + 1
            self.policy = wanted
        return contract.SetPolicyResponse(policy=self.policy)

    async def ListProcesses(
        self, request: contract.OperatorServiceListProcessesRequest, _: Context
    ) -> contract.OperatorServiceListProcessesResponse:
        page, token = _page(request.page, self.processes)
        return contract.OperatorServiceListProcessesResponse(processes=page, next_page_token=token)

    async def ListUnresolvedProcesses(
        self, request: contract.ListUnresolvedProcessesRequest, _: Context
    ) -> contract.ListUnresolvedProcessesResponse:
        unresolved = {key: p for key, p in self.processes.items() if key[0] in self.unresolved}
        page, token = _page(request.page, unresolved)
        return contract.ListUnresolvedProcessesResponse(
            processes=page, next_page_token=token, questions=self.questions
        )

    async def ReconcileDay(
        self, request: contract.ReconcileDayRequest, _: Context
    ) -> contract.ReconcileDayResponse:
        self.reconciled_days.append(request.starts_at.ToDatetime().isoformat())
        return self.reconciliation

    async def SettleProcess(
        self, request: contract.SettleProcessRequest, _: Context
    ) -> contract.SettleProcessResponse:
        process = self.processes.get((request.process_id,))
        if process is None:
            raise Refused(Reason.PROCESS_NOT_FOUND)
        if request.process_id not in self.unresolved:
            state = process_pb2.ProcessState.Name(process.state)
            raise Refused(Reason.PROCESS_NOT_UNRESOLVED, state=state)
        self.unresolved.discard(request.process_id)
        process.state = {
            contract.PROCESS_SETTLEMENT_EXECUTED: process_pb2.PROCESS_STATE_COMPLETED,
            contract.PROCESS_SETTLEMENT_NOT_EXECUTED: process_pb2.PROCESS_STATE_RELEASED,
            contract.PROCESS_SETTLEMENT_TRY_AGAIN: process.state,
        }[request.settlement]
        return contract.SettleProcessResponse(process=process)

    def _add_row(
        self, rows: dict[Key, MessageT], key: Key, row: MessageT, *, missing: Sequence[Reason]
    ) -> contract.RowOutcome:
        reasons = list(missing)
        if getattr(row, "login_name") not in self.customers:  # noqa: B009 - each kind has one
            reasons.append(Reason.CUSTOMER_NOT_FOUND)
        if key in rows and rows[key] != row:
            reasons.append(Reason.ALREADY_EXISTS_DIFFERENT)
        if reasons:
            return contract.RowOutcome(
                result=contract.ROW_RESULT_REFUSED,
                reason=reasons[0],
                message=DESCRIPTIONS[reasons[0]].sentence,
            )
        if key in rows:
            return contract.RowOutcome(result=contract.ROW_RESULT_UNCHANGED)
        rows[key] = row
        return contract.RowOutcome(result=contract.ROW_RESULT_ADDED)


def _create(things: dict[Key, MessageT], key: Key, thing: MessageT) -> None:
    if things.setdefault(key, thing) != thing:
        raise Refused(Reason.ALREADY_EXISTS_DIFFERENT)


def _page(request: contract.PageRequest, things: dict[Key, MessageT]) -> tuple[list[MessageT], str]:
    """Return a page in the order of the keys; the token is the number of things before the next."""
    begin = int(request.token or 0)
    end = begin + (request.size or 200)
    page = [things[key] for key in sorted(things)[begin:end]]
    return page, str(end) if end < len(things) else ""
