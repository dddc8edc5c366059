"""Calls that are written for ghz can be made, by ghz too."""

import asyncio
import json
import stat
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict

from tallymark.v1 import process_pb2, terminal_service_pb2
from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.cast import Cast
from tallymark_load.cast.lines import Lines
from tallymark_load.connections import Connections
from tallymark_load.ghz.exported import METHODS, CannotExport, Exported, write_files
from tallymark_load.ghz.from_recording import busiest_member, export_recording
from tallymark_load.ghz.from_scenario import Catcher, export_scenario
from tallymark_load.main import main
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.recording import Recorder
from tallymark_load.redaction import Redaction
from tallymark_load.scenarios.scenario import load_scenario
from tallymark_load.scenarios.stage import Stage
from tests.integration.load.casts import prepared_cast
from tests.integration.load.test_playing import played
from tests.world.world import World

GHZ = Path(__file__).parents[3] / "build" / "ghz" / "ghz"


@asynccontextmanager
async def catching_stage(cast: Cast) -> AsyncIterator[Stage]:
    async with Connections(ca_pem=cast.server.ca_certificates_pem) as connections:
        yield Stage(cast, connections, Catcher)


async def exported_from(cast: Cast, name: str = "gate-rush", *, calls: int = 100) -> Exported:
    async with catching_stage(cast) as stage:
        scenario = load_scenario(name)
        return await export_scenario(scenario, stage, "ResolveCode", "terminal-1", calls=calls)


async def recorded_calls(cast: Cast, path: Path, name: str) -> list[RecordedCall]:
    with LogWriter(path) as writer, Recorder(writer, Redaction()) as recorder:
        await played(cast, load_scenario(name, seconds=0.3, rate=100), recorder=recorder)
    with LogReader(path) as entries:
        return list(calls_of(entries))


def content_of(path: str) -> bytes:
    return Path(path).read_bytes()


async def send(cast: Cast, member: str, requests: list[Any]) -> Counter[str]:
    """Scan as a terminal, and return how often each state came."""
    async with Lines(cast) as lines:
        stub = lines.terminals(cast.terminals[member].identity)
        states = [(await stub.ResolveCode(one)).process.state for one in requests]
    return Counter(process_pb2.ProcessState.Name(state) for state in states)


async def test_scans_of_a_scenario_are_good_once(in_memory: World, tmp_path: Path) -> None:
    cast = await prepared_cast(in_memory)
    exported = await exported_from(cast)

    config = json.loads(
        write_files(exported, cast, tmp_path / "ghz", concurrency=4, rate=50).read_text()
    )

    rows = json.loads(content_of(config["data-file"]))
    requests = [ParseDict(row, terminal_service_pb2.ResolveCodeRequest()) for row in rows]
    states = await send(cast, "terminal-1", requests)
    of_merchant = [one for one in cast.customers.values() if one.merchant == "merchant-1"]
    assert states["PROCESS_STATE_COMPLETED"] + states["PROCESS_STATE_DECLINED"] == len(of_merchant)
    assert states["PROCESS_STATE_COMPLETED"] > states["PROCESS_STATE_DECLINED"]
    assert (config["total"], config["concurrency"], config["rps"]) == (len(rows), 4, 50)


async def test_the_files_are_for_their_owner_and_hold_the_whole_contract(
    in_memory: World, tmp_path: Path
) -> None:
    cast = await prepared_cast(in_memory, customers=2)
    exported = await exported_from(cast)

    config = json.loads(
        write_files(exported, cast, tmp_path / "ghz", concurrency=4, rate=0).read_text()
    )

    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(content_of(config["protoset"])).file:
        pool.Add(file)
    service, _, method = config["call"].rpartition(".")
    assert pool.FindServiceByName(service).FindMethodByName(method).name == "ResolveCode"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ghz").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "ghz").stat().st_mode) == 0o700


async def test_a_sale_that_ghz_would_leave_open_is_not_exported(in_memory: World) -> None:
    cast = await prepared_cast(in_memory, customers=4)

    with pytest.raises(CannotExport, match="would leave every process open"):
        await exported_from(cast, "till-mix")


async def test_recorded_scans_get_codes_of_their_own(in_memory: World, tmp_path: Path) -> None:
    cast = await prepared_cast(in_memory)
    recorded = await recorded_calls(cast, tmp_path / "gate.binlog", "gate-rush")
    member = busiest_member(recorded, "ResolveCode")

    async with catching_stage(cast) as stage:
        exported = await export_recording(recorded, stage, "ResolveCode", member, calls=100)

    states = await send(cast, member, exported.requests)
    assert states.total() == len(exported.requests) > 1
    assert set(states) <= {"PROCESS_STATE_COMPLETED", "PROCESS_STATE_DECLINED"}
    assert states["PROCESS_STATE_COMPLETED"] > 0


async def test_what_is_left_out_of_a_recording_is_told(in_memory: World, tmp_path: Path) -> None:
    cast = await prepared_cast(in_memory)
    recorded = await recorded_calls(cast, tmp_path / "shift.binlog", "shift")
    member = busiest_member(recorded, "ResolveCode")

    async with catching_stage(cast) as stage:
        exported = await export_recording(recorded, stage, "ResolveCode", member, calls=100)

    assert exported.left_out["sales that ghz would leave open"] > 0
    with pytest.raises(CannotExport, match="no call of GetTag"):
        busiest_member([], "GetTag")


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"ResolveCode"}))
async def test_other_calls_stand_for_themselves(in_memory: World, name: str) -> None:
    cast = await prepared_cast(in_memory, customers=2)
    member = "customer-1" if METHODS[name].is_of_phones else "terminal-1"

    async with catching_stage(cast) as stage:
        scenario = load_scenario("shift")
        exported = await export_scenario(scenario, stage, name, member, calls=3)
    async with Lines(cast) as lines:
        stub: Any = lines.terminals(cast.terminals["terminal-1"].identity)
        metadata: tuple[tuple[str, str], ...] = ()
        if METHODS[name].is_of_phones:
            stub, metadata = lines.phones(), cast.customers["customer-1"].credentials
        answers = [await getattr(stub, name)(one, metadata=metadata) for one in exported.requests]

    assert len(answers) == 3


async def test_ghz_itself_makes_them(in_memory: World, tmp_path: Path) -> None:
    if not GHZ.exists():
        pytest.skip("ghz is not built; `make ghz` does that with Go")
    cast = await prepared_cast(in_memory)
    exported = await exported_from(cast)
    config = write_files(exported, cast, tmp_path / "ghz", concurrency=2, rate=0)

    process = await asyncio.create_subprocess_exec(
        *(str(GHZ), "--config", str(config), "--format", "json"), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()

    report = json.loads(output)
    assert process.returncode == 0
    assert report["statusCodeDistribution"] == {"OK": len(exported.requests)}


def test_a_method_that_names_earlier_answers_is_refused(tmp_path: Path) -> None:
    command = ["export-ghz", "shift", "--cast", "any.cast", "--out", str(tmp_path)]

    result = CliRunner().invoke(main, [*command, "--method", "CompleteProcess"])

    assert result.exit_code == 2
    assert "'ResolveCode', 'GetTag'" in result.output
