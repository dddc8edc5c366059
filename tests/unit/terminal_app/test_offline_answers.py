"""What a terminal finds out alone is of another type than what the server says, and never a yes."""

import json
from dataclasses import fields

import pytest

from tallymark_protocol.reasons import Reason
from tallymark_terminal.code_check import CodeCheck, RefusedHere
from tallymark_terminal.identification import ShownCode
from tallymark_terminal.json_view import as_line, result_view
from tallymark_terminal.processes import Process
from tallymark_terminal.sale_results import EXIT_CODE_OF, OFFLINE, ExitCode, Outcome, SaleResult
from tests.unit.terminal_app.test_display import PROCESS, Screen

YES = (Outcome.EXECUTED, Outcome.HELD)


@pytest.mark.parametrize("outcome", YES)
def test_only_the_servers_process_says_yes(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="without the server's word"):
        SaleResult(outcome=outcome)


@pytest.mark.parametrize("outcome", sorted(OFFLINE))
def test_what_was_found_out_offline_carries_no_word_of_the_server(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="and yet the server answered"):
        SaleResult(outcome=outcome, process=PROCESS)


@pytest.mark.parametrize("outcome", sorted(OFFLINE))
def test_no_offline_outcome_ends_with_the_exit_code_of_an_admission(outcome: Outcome) -> None:
    assert EXIT_CODE_OF[outcome] is not ExitCode.DONE


@pytest.mark.parametrize("outcome", sorted(OFFLINE))
def test_programs_read_that_it_was_offline(outcome: Outcome) -> None:
    view = json.loads(as_line(result_view(SaleResult(outcome=outcome), source=None, words="")))

    assert view["offline"]
    assert view["process_id"] is view["state"] is None
    assert view["actions"] == []


def test_what_passes_the_local_check_is_a_code_and_no_answer() -> None:
    """It names nobody, grants nothing and tells no state: the server has still to be asked."""
    assert CodeCheck.check.__annotations__["return"] is ShownCode
    assert {field.name for field in fields(ShownCode)} == {"text", "reference"}
    assert not issubclass(ShownCode, Process | SaleResult)
    assert not issubclass(RefusedHere, SaleResult)


def test_people_see_who_refused() -> None:
    by_server, by_terminal = Screen(), Screen()

    by_server.display.result(SaleResult(outcome=Outcome.REFUSED, reason=Reason.CODE_EXPIRED))
    by_terminal.display.result(SaleResult(outcome=Outcome.REFUSED_HERE, reason=Reason.CODE_EXPIRED))

    assert "the server was not asked" not in by_server.out.getvalue()
    assert "the server was not asked" in by_terminal.out.getvalue()
