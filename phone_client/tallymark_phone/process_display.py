"""Processes as the customer reads them.

Whatever the phone signs to answer a process stands in `process_lines`: every id, name, amount and
time of the statement. So two processes that look alike have the same statement.
"""

from collections.abc import Iterable, Iterator

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tallymark_phone.display import add_row, local_time, new_table, plain
from tallymark_phone.processes import Action, ActionKind, Process, ProcessState
from tallymark_phone.refusals import explain

__all__ = [
    "action_line",
    "claim_lines",
    "headline",
    "news_line",
    "process_lines",
    "processes_table",
]

_STATE_STYLES = {
    ProcessState.COMPLETED: "green",
    ProcessState.DECLINED: "red",
    ProcessState.EXPIRED: "red",
    ProcessState.RELEASED: "red",
    ProcessState.AWAITING_CUSTOMER: "yellow",
    ProcessState.CONTESTED: "yellow",
}

_NOTHING_DONE = {ProcessState.DECLINED, ProcessState.EXPIRED, ProcessState.RELEASED}


def action_line(action: Action) -> str:
    """Return one line that says what an action does, with its amount."""
    amount = str(action.amount) if action.amount else "an amount not known yet"
    reference = plain(action.reference)
    programme = f" of {reference}" if reference else ""
    points = f"{action.points} points" if action.points is not None else "points"
    worth = f" worth {action.amount}" if action.amount else ""
    note = f" ({plain(action.description)})" if action.description else ""
    match action.kind:
        case ActionKind.CHARGE:
            line = f"charge {amount}{note}"
        case ActionKind.PAY_BILL:
            way = "by card" if action.way == "CARD" else "at the terminal"
            line = f"pay bill {reference} of {amount} {way}{note}"
        case ActionKind.ADMIT:
            ticket = f" with ticket {plain(action.ticket_id)}" if action.ticket_id else ""
            line = f"{'leave' if action.way == 'EXIT' else 'enter'} {reference}{ticket}{note}"
        case ActionKind.READ_POINTS:
            line = f"tell your {points}{programme}"
        case ActionKind.EARN_POINTS:
            line = f"give you {points}{programme}"
        case ActionKind.BURN_POINTS:
            line = f"take {points}{programme}{worth}"
        case ActionKind.UNKNOWN:
            line = "something that this version of the phone does not know"
    return f"{line} - refused: {explain(action.refusal)}" if action.refusal else line


def headline(process: Process) -> str:
    """Return who takes what, in one line: "Corner Café, till-1: 12.30 EUR"."""
    actions = ", ".join(map(action_line, process.actions))
    what = str(process.card_total or process.sale_total or actions)
    return f"{plain(process.merchant_name)}, {plain(process.terminal_id)}: {what}"


def process_lines(process: Process) -> Group:
    """Return a process with its merchant, terminal and every amount."""
    head = Text.assemble(
        (plain(process.merchant_name), "bold"),
        f" at terminal {plain(process.terminal_id)}: ",
        _state(process),
    )
    return Group(head, *_details(process))


def claim_lines(process: Process) -> Group:
    """Return what the customer reads at once when a terminal has taken a code."""
    head = Text.assemble((headline(process), "bold"), " - ", _state(process))
    lines = [head, *_details(process)]
    if hint := _hint(process):
        lines.append(Text(f"  {hint} {plain(process.process_id)}", style="yellow"))
    return Group(*lines)


def news_line(process: Process) -> Text:
    """Return how it goes on with a process that was told before."""
    return Text.assemble(headline(process), " - ", _state(process))


def processes_table(processes: Iterable[Process]) -> Table:
    """Return a table of processes."""
    table = new_table("Processes", "When", "Merchant", "What", "State", "Process")
    for process in processes:
        add_row(
            table,
            local_time(process.created_at),
            process.merchant_name,
            Text("\n".join(map(action_line, process.actions))),
            _state(process),
            process.process_id,
        )
    return table


def _hint(process: Process) -> str:
    """Return what the customer can do about it."""
    if process.state.needs_customer:
        return "Answer here, or with: tallymark-phone confirm"
    if process.state in _NOTHING_DONE or process.is_disputed:
        return ""
    return "Not you? tallymark-phone dispute"


def _details(process: Process) -> Iterator[Text]:
    for action in process.actions:
        yield Text(f"  {action_line(action)}")
    if process.sale_total:
        yield Text(f"  total of the sale {process.sale_total}")
    if process.card_total:
        yield Text(f"  your card pays {process.card_total}", style="bold")
    if process.refusal:
        yield Text(f"  {explain(process.refusal)}")
    if process.is_disputed:
        yield Text("  you dispute it")
    if process.reversed_by_process_id:
        yield Text(f"  taken back by {process.reversed_by_process_id}")
    if process.points_debt:
        yield Text(f"  you owe {process.points_debt} points")
    if process.confirm_by:
        yield Text(f"  answer by {local_time(process.confirm_by)}")
    process_id, merchant_id = plain(process.process_id), plain(process.merchant_id)
    ids = f"  process {process_id}, version {process.version}, of merchant {merchant_id}"
    yield Text(ids, style="dim")


def _state(process: Process) -> Text:
    words = process.state.lower().replace("_", " ")
    return Text(words, style=_STATE_STYLES.get(process.state, ""))
