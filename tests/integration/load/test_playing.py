"""Scenarios are played on a real server, and end as they should."""

import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tallymark.v1 import operator_service_pb2
from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.cast import MEMBER_KEY, Cast
from tallymark_load.cast.furnishing import POINTS
from tallymark_load.cast.lines import Lines
from tallymark_load.connections import Connections
from tallymark_load.recorded import calls_of
from tallymark_load.recording import Recorder, recording_interceptors
from tallymark_load.redaction import Redaction
from tallymark_load.results import Measurements
from tallymark_load.scenarios import stage as stage_module
from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.playing import play
from tallymark_load.scenarios.rehearsal import add_tickets_for
from tallymark_load.scenarios.report import visits_json, visits_text
from tallymark_load.scenarios.scenario import Scenario, bundled_names, load_scenario
from tallymark_load.scenarios.stage import Stage
from tallymark_load.scenarios.visit import VisitBook
from tallymark_protocol.errors import UnknownOutcome
from tests.integration.load.casts import prepared_cast
from tests.world.world import World

ALL_KINDS = "seconds = 0.4\nrate = 300\nseed = 3\n" + "".join(
    f"[visits.{kind}]\nshare = 1\n" for kind in KINDS
)


async def played(
    cast: Cast, scenario: Scenario, *, recorder: Recorder | None = None
) -> tuple[VisitBook, Measurements]:
    """Play without thinking times, and return how visits and calls ended."""
    interceptors = recording_interceptors(recorder) if recorder else ()
    async with Connections(
        count=2, ca_pem=cast.server.ca_certificates_pem, interceptors=interceptors
    ) as connections:
        stage = Stage(cast, connections)
        await stage.connect()
        measurements = Measurements(started_ns=time.monotonic_ns(), started_at_ns=time.time_ns())
        book, stop = await play(
            replace(scenario, think_seconds=(0, 0)),
            stage,
            connections=connections,
            measurements=measurements,
        )
    assert stop is None
    return book, measurements


async def points_added(served: World, cast: Cast) -> int:
    """Return how many points all customers have more than at the beginning."""
    request = operator_service_pb2.ListPointsAccountsRequest()
    accounts = (await served.operator.call("ListPointsAccounts", request)).points_accounts
    return sum(int(account.balance) for account in accounts) - POINTS * len(cast.customers)


@pytest.mark.parametrize("name", bundled_names())
async def test_a_bundled_scenario_ends_as_it_should(in_memory: World, name: str) -> None:
    cast = await prepared_cast(in_memory)

    book, measurements = await played(cast, load_scenario(name, seconds=0.4, rate=50))

    assert book.visits == 20
    assert book.unexpected == {}
    assert measurements.errors == 0
    assert await points_added(in_memory, cast) == book.points


async def test_every_kind_of_visit_ends_as_it_should(in_memory: World, tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(ALL_KINDS)
    cast = await prepared_cast(in_memory)

    book, measurements = await played(cast, load_scenario(str(path)))

    assert set(book.endings) == set(KINDS)
    assert book.unexpected == {}
    assert measurements.errors == 0
    assert await points_added(in_memory, cast) == book.points


async def test_an_ending_that_should_not_be_is_told(in_memory: World, tmp_path: Path) -> None:
    path = tmp_path / "rich.toml"
    path.write_text("seconds = 0.1\nrate = 30\n[visits.no-money]\nshare = 1\ncents = 5000\n")
    cast = await prepared_cast(in_memory, customers=3)

    book, _ = await played(cast, load_scenario(str(path)))

    assert book.unexpected == {("no-money", "COMPLETED"): 3}
    assert visits_json(book)["unexpected"] == 3
    assert re.search(r"no-money +3  COMPLETED  UNEXPECTED", visits_text(book))


async def test_a_refused_call_is_the_ending_of_its_visit(in_memory: World) -> None:
    cast = await prepared_cast(in_memory, customers=2)
    for name, customer in cast.customers.items():
        cast.customers[name] = replace(customer, session_token="stale")

    book, measurements = await played(cast, load_scenario("gate-rush", seconds=0.1, rate=40))

    endings = sum((Counter(counter) for counter in book.endings.values()), Counter())
    assert endings == {"CREDENTIALS_INVALID": 4}
    assert measurements.errors == 4


async def test_a_server_that_is_not_there_is_told(
    in_memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "_CONNECT_SECONDS", 0.05)
    cast = await prepared_cast(in_memory, customers=1)
    cast.server = replace(cast.server, phones="127.0.0.1:1")

    async with Connections(ca_pem=cast.server.ca_certificates_pem) as connections:
        with pytest.raises(UnknownOutcome, match=r"made to 127\.0\.0\.1:1"):
            await Stage(cast, connections).connect()


async def test_a_stream_that_breaks_is_the_ending_of_its_visits(
    in_memory: World, caplog: pytest.LogCaptureFixture
) -> None:
    cast = await prepared_cast(in_memory, customers=4)
    for member in cast.terminals.values():
        request = operator_service_pb2.RevokeTerminalRequest(terminal_id=member.terminal_id)
        await in_memory.operator.call("RevokeTerminal", request)
    scenario = load_scenario("points-batch", seconds=0.2, rate=60)
    streamed = tuple(one for one in scenario.visits if one.kind.endswith("on-stream"))

    book, measurements = await played(cast, replace(scenario, visits=streamed))

    # A stream that ends while it is still written to may be seen as INTERNAL.
    assert {ending for _, ending in book.unexpected} <= {"CREDENTIALS_INVALID", "INTERNAL"}
    assert not [line for line in caplog.records if line.levelname == "ERROR"], "no fault of ours"
    assert book.unexpected.total() == measurements.errors == 12


async def test_users_of_a_closed_loop_come_again_until_the_time_is_over(
    in_memory: World, tmp_path: Path
) -> None:
    path = tmp_path / "loop.toml"
    path.write_text("seconds = 1.5\nusers = 3\n[visits.collect]\nshare = 1\n")
    cast = await prepared_cast(in_memory, customers=3)

    book, measurements = await played(cast, load_scenario(str(path)))

    assert book.visits > 3
    assert book.unexpected == {}
    assert book.waited_for_customer == 0
    assert await points_added(in_memory, cast) == book.points
    assert measurements.sent == 2 * book.visits


async def test_tickets_are_added_before_they_run_out(in_memory: World) -> None:
    cast = await prepared_cast(in_memory, customers=2)
    cast.customers["customer-1"] = replace(cast.customers["customer-1"], entries_used=998)
    scenario = load_scenario("gate-rush", seconds=0.2, rate=50)

    async with Lines(cast) as lines:
        await add_tickets_for(scenario, cast, lines)
    book, _ = await played(cast, scenario)

    assert book.unexpected == {}
    tickets = await in_memory.operator.call(
        "ListTickets", operator_service_pb2.ListTicketsRequest()
    )
    assert {one.ticket_id for one in tickets.tickets if one.entries_used} >= {"customer-1-2"}


async def test_a_recording_tells_which_member_called(in_memory: World, tmp_path: Path) -> None:
    cast = await prepared_cast(in_memory)
    path = tmp_path / "shift.binlog"

    with LogWriter(path) as writer, Recorder(writer, Redaction()) as recorder:
        _, measurements = await played(
            cast, load_scenario("till-mix", seconds=0.3, rate=40), recorder=recorder
        )

    with LogReader(path) as entries:
        calls = list(calls_of(entries))
    members = {
        value.decode() for call in calls for key, value in call.metadata if key == MEMBER_KEY
    }
    assert len(calls) == measurements.sent
    assert members <= {*cast.customers, *cast.terminals, "operator"}
    assert {"terminal-1", "customer-1"} <= members
    token = cast.customers["customer-1"].session_token
    assert token.encode() not in path.read_bytes()
