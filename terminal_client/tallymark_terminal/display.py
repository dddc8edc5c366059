"""What the person at the terminal sees, or the program that drives it reads.

For people: the amount or ADMIT or REFUSED in large figures, in colour if the output is a terminal,
and below it what there is to know. With `as_json`: one object per sale on standard output, and what
happens meanwhile in words on standard error.
"""

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.text import Text

from tallymark_terminal.answers import Receipt
from tallymark_terminal.instruction_words import headlines, instruction_lines, plain
from tallymark_terminal.json_view import as_line, result_view
from tallymark_terminal.large_figures import enlarge
from tallymark_terminal.plain_words import Words, error_words, unanswered_words
from tallymark_terminal.processes import Process, ProcessState
from tallymark_terminal.sale_results import Outcome, SaleResult

__all__ = ["Display"]

_GOOD: Final = "bold green"
_BAD: Final = "bold red"
_UNSURE: Final = "bold yellow"
_NEUTRAL: Final = "bold"

NOT_ASKED: Final = "This terminal saw it by itself; the server was not asked."

_HEADLINES: Final = {
    Outcome.REFUSED: ("REFUSED", _BAD),
    Outcome.REFUSED_HERE: ("REFUSED HERE", _BAD),
    Outcome.GIVEN_UP: ("TAKEN BACK", _UNSURE),
    Outcome.REVERSED: ("TAKEN BACK", _GOOD),
    Outcome.NOT_REVERSED: ("NOT TAKEN BACK", _BAD),
    Outcome.UNKNOWN: ("NO ANSWER", _UNSURE),
    Outcome.NOT_SENT: ("NO CONNECTION", _UNSURE),
    Outcome.NOT_ACCEPTED: ("NOT ACCEPTED", _BAD),
}


class Display:
    """One terminal's screen."""

    def __init__(
        self, *, console: Console, error_console: Console, words: Words, as_json: bool
    ) -> None:
        """Take where to write and in which form."""
        self.as_json = as_json
        self.last_warning = ""
        self._console = console
        self._progress = error_console if as_json else console
        self._words = words
        self._last_waiting: tuple[str, ProcessState] | None = None

    def waiting(self, process: Process) -> None:
        """Tell once what is being waited for; the digits in large."""
        if self._last_waiting == (process.process_id, process.state):
            return
        self._last_waiting = (process.process_id, process.state)
        match process.state:
            case ProcessState.AWAITING_CUSTOMER if process.confirmation_digits:
                self._large(plain(process.confirmation_digits), _NEUTRAL, on=self._progress)
                line = "The customer enters these digits on the phone and confirms there."
            case ProcessState.AWAITING_CUSTOMER:
                line = "Waiting for the customer to confirm on the phone."
            case ProcessState.AUTHORISING:
                line = "Waiting for the bank."
            case ProcessState.CONTESTED:
                line = (
                    "Another terminal showed the same code. Hand out nothing; the customer has to "
                    "say on the phone which terminal is right."
                )
            case _:
                line = "Waiting for the server to decide."
        self._line(line, on=self._progress)

    def no_answer(self, doing: str) -> None:
        """Tell that an answer is missing, which is not a refusal."""
        self._line(f"No answer yet while {doing}. Asking again.", _UNSURE, on=self._progress)

    async def execute(self, process: Process) -> bool:
        """Show what the process instructs; showing it is what this terminal does to execute it."""
        if self.as_json:
            return True
        for headline in headlines(process):
            self._large(headline, _GOOD)
        for line in instruction_lines(process):
            self._line(line)
        if process.staged_balance is not None:
            self._line(f"Points after this sale: {process.staged_balance.new_balance}")
        return True

    def result(self, result: SaleResult, *, source: str | None = None) -> None:
        """Show how a sale ended."""
        said = self.words_of(result)
        if self.as_json:
            self._print_json(as_line(result_view(result, source=source, words=said)))
            return
        if result.is_recovered:
            self._line("A sale that was interrupted earlier:", _UNSURE)
        if result.outcome in _HEADLINES:
            self._large(*_HEADLINES[result.outcome])
        self._line(said, _GOOD if result.outcome is Outcome.EXECUTED else "")
        if result.outcome is Outcome.NOT_SENT and result.message:
            self._line(plain(result.message), "dim")
        for line in _posting_lines(result.receipt):
            self._line(line)
        if result.checkpoint:
            self._line(f"Checkpoint: {plain(result.checkpoint)}", "dim")
        if result.request_id is not None and result.outcome not in {
            Outcome.EXECUTED,
            Outcome.REFUSED,
            Outcome.NOT_ACCEPTED,
        }:
            self._line(f"Request: {result.request_id}", "dim")

    def words_of(self, result: SaleResult) -> str:
        """Return in a sentence or two how a sale ended."""
        process = result.process
        match result.outcome:
            case Outcome.EXECUTED:
                taken_back = process is not None and bool(process.reversed_by_process_id)
                return "Done, and taken back later." if taken_back else "Done."
            case Outcome.HELD:
                return (
                    "Shown, but not completed yet: run tallymark-terminal complete or reverse "
                    f"{result.request_id}."
                )
            case Outcome.REFUSED | Outcome.REFUSED_HERE | Outcome.NOT_ACCEPTED:
                not_asked = f" {NOT_ASKED}" if result.is_offline else ""
                return self._refusal_words(result) + not_asked
            case Outcome.GIVEN_UP | Outcome.REVERSED | Outcome.NOT_REVERSED if (
                result.reversal is not None
            ):
                reversal = result.reversal
                return self._words.reversal(reversal.outcome, reversal.refused_because)
            case Outcome.GIVEN_UP | Outcome.REVERSED | Outcome.NOT_REVERSED:
                return self._refusal_words(result)
            case Outcome.OPEN:
                return _open_words(process)
            case Outcome.NO_CODE:
                return result.message
            case Outcome.NOT_SENT:
                return f"Nothing was sent. {unanswered_words(result.reason)}"
            case Outcome.UNKNOWN:
                because = f" {error_words(result.reason)}" if result.reason else ""
                return (
                    f"Nobody can say yet what became of it; do not start it anew.{because} "
                    "The journal keeps it: run tallymark-terminal recover."
                )

    def table(self, heading: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
        """Show a table as aligned columns."""
        cells = [[plain(cell) for cell in row] for row in (heading, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for number, row in enumerate(cells):
            padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._line(padded.rstrip(), _NEUTRAL if number == 0 else "")

    def warning(self, text: str) -> None:
        """Show what somebody has to see to; beside JSON on standard error."""
        self.last_warning = text
        self._line(plain(text), _BAD, on=self._progress)

    def line(self, text: str) -> None:
        """Show a line for people."""
        self._line(text)

    def text_line(self, text: str) -> None:
        """Print a line for programs, as it is."""
        self._print_json(text)

    def _refusal_words(self, result: SaleResult) -> str:
        process = result.process
        if result.seen_at is not None:
            return self._words.used_here(result.seen_at)
        if process is not None and process.refusal is not None:
            return self._words.refusal(process.refusal)
        if process is not None and process.state is ProcessState.EXPIRED:
            return "It was not decided in time. Nothing was done."
        if result.reason is None and process is not None:
            return "It was given up. Nothing was done."
        return error_words(result.reason)

    def _large(self, text: str, style: str, *, on: Console | None = None) -> None:
        console = on or self._console
        self._line("", on=console)
        for row in enlarge(text, width_max=console.width):
            self._line(row, style, on=console)
        self._line("", on=console)

    def _line(self, text: str, style: str = "", *, on: Console | None = None) -> None:
        console = on or self._console
        # A screen breaks lines between words; a file or pipe gets each line whole.
        console.print(Text(text, style=style), soft_wrap=not console.is_terminal)

    def _print_json(self, text: str) -> None:
        self._console.out(text, highlight=False)


def _open_words(process: Process | None) -> str:
    """Say where an unfinished process stands."""
    if process is None:
        return "The server has never seen it."
    return {
        ProcessState.AWAITING_CUSTOMER: "It waits for the customer to confirm on the phone.",
        ProcessState.AUTHORISING: "It waits for the bank.",
        ProcessState.INSTRUCTED: "It is granted and waits to be completed.",
        ProcessState.OVERDUE: "It was granted, but not completed in time: complete or reverse it.",
        ProcessState.CONTESTED: "It is frozen, because two terminals showed the same code.",
    }.get(process.state, "It is in a state that this terminal does not know.")


def _posting_lines(receipt: Receipt | None) -> list[str]:
    if receipt is None:
        return []
    return [
        f"Points: {posting.points:+d}, now {posting.balance_after} ({plain(posting.programme_id)})"
        for posting in receipt.postings
    ]
