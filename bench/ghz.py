"""Stock ghz as a witness from outside: the same admissions, fired by a program that others wrote.

`make ghz` builds a fixed version of github.com/bojand/ghz with Go. Without it there is nothing to
ask, and the line of the report says so. ghz is written in Go and costs less than the caller of the
other parts; what it says of server and echo has to agree with what they say.
"""

import asyncio
import json
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvloop
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.json_format import MessageToDict

from bench.contestants import ECHO_ITEMS, Caller, issue
from bench.crowd import RESOLVE, Crowd, crowd
from bench.echo import BYTES, Echo, echo, path
from bench.figures import rate, share
from bench.lines import Line, main
from bench.load import AT_ONCE, Address, Call, Script
from bench.processes import LOAD_CORE, hands, pinned, processor_seconds
from bench.rounds import Contestant, Taken, play_rounds
from tallymark.v1 import terminal_service_pb2
from tallymark.v1.terminal_service_pb2 import ResolveCodeRequest

__all__ = ["GHZ", "Scale", "measure", "protoset"]

GHZ: Final = Path(__file__).parent.parent / "build" / "ghz" / "ghz"

EXEC: Final = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"

KIND: Final = "admit"
OURS: Final = "ghz: admit"
CEILING: Final = "ghz: echo of admit"


class Scale(NamedTuple):
    """How much is played."""

    customers: int = 1000
    rounds: int = 5


QUICK: Final = Scale(customers=300, rounds=3)


def measure(*, is_quick: bool, scale: Scale | None = None) -> Sequence[Line]:
    """Let ghz admit everybody, and call the echo."""
    if not GHZ.exists():
        return [Line(name="ghz", got=0, unit="rounds", note="not asked: `make ghz` needs Go")]
    return uvloop.run(_measure(scale or (QUICK if is_quick else Scale())))


async def _measure(scale: Scale) -> list[Line]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallymark-bench-")))
        caller = Caller(stack.enter_context(hands(LOAD_CORE)))
        served = await stack.enter_async_context(crowd(folder / "server", scale.customers))
        _, codes = await issue(served, caller)
        items = served.admit(codes)
        _, played = await caller.play(served.pid, Script(served.gate_address, items))
        answers = {KIND: {"ResolveCode": played.answers[0][0]}}
        ceiling = await stack.enter_async_context(echo(answers))
        ghz = Ghz(folder)
        contestants: list[Contestant] = [
            Admitted(ghz, served, caller),
            Echoed(ghz, ceiling, items),
        ]
        rounds = await play_rounds(contestants, scale.rounds)
    return [rate(rounds, CEILING), rate(rounds, OURS), share(rounds, OURS, CEILING)]


class Ghz:
    """Runs ghz on the core of callers."""

    def __init__(self, folder: Path) -> None:
        """Write down for it, in this folder, which messages and services there are."""
        self._folder = folder
        self._protoset = folder / "protoset"
        self._protoset.write_bytes(protoset().SerializeToString())

    async def fire(
        self, pid: int, address: Address, method: str, items: Sequence[Sequence[Call]]
    ) -> Taken:
        """Send each request once; return what the server with this pid took."""
        assert address.identity is not None, "gates have certificates"
        requests = [
            MessageToDict(ResolveCodeRequest.FromString(call.request))
            for item in items
            for call in item
        ]
        files = {
            "--cacert": address.ca_pem,
            "--cert": address.identity.certificate_pem,
            "--key": address.identity.private_key_pem,
            "--data-file": json.dumps(requests),
        }
        options = {
            "--protoset": str(self._protoset),
            "--call": method.strip("/").replace("/", "."),
            "--total": str(len(requests)),
            "--concurrency": str(AT_ONCE),
            "--cpus": "1",
            "--format": "json",
            **{option: self._keep(option, text) for option, text in files.items()},
        }
        words = [f"{option}={value}" for option, value in options.items()]
        before, spent = processor_seconds(pid), _children_seconds()
        report = await _run(*words, "--disable-template-functions", address.target)
        processor, spent = processor_seconds(pid) - before, _children_seconds() - spent
        assert report["statusCodeDistribution"] == {"OK": len(requests)}, report[
            "errorDistribution"
        ]
        seconds = report["total"] / 1e9
        return Taken(
            per_second=len(requests) / seconds,
            processor_microseconds=1e6 * processor / len(requests),
            load_share=spent / seconds,
            milliseconds=[detail["latency"] / 1e6 for detail in report["details"]],
        )

    def _keep(self, option: str, text: str) -> str:
        file = self._folder / option.strip("-")
        file.touch(mode=0o600)
        file.write_text(text)
        return str(file)


class Admitted:
    """Admissions."""

    def __init__(self, ghz: Ghz, crowd: Crowd, caller: Caller) -> None:
        """Take who comes, and who fetches their codes."""
        self._ghz = ghz
        self._crowd = crowd
        self._caller = caller

    async def play(self) -> Mapping[str, Taken]:
        """Let everybody in once."""
        _, codes = await issue(self._crowd, self._caller)
        items = self._crowd.admit(codes)
        address = self._crowd.gate_address
        return {OURS: await self._ghz.fire(self._crowd.pid, address, RESOLVE, items)}


class Echoed:
    """The same calls at the echo."""

    def __init__(self, ghz: Ghz, echo: Echo, items: Sequence[list[Call]]) -> None:
        """Take what is sent."""
        self._ghz = ghz
        self._echo = echo
        self._items = [*items] * ECHO_ITEMS

    async def play(self) -> Mapping[str, Taken]:
        """Call the echo, bytes to bytes."""
        method = path(BYTES, KIND, "ResolveCode")
        fired = await self._ghz.fire(self._echo.pid, self._echo.address, method, self._items)
        return {CEILING: fired}


async def _run(*words: str) -> dict[str, Any]:
    """Run ghz and return its report."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", pinned(EXEC, LOAD_CORE), str(GHZ), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    report: dict[str, Any] = json.loads(output)
    return report


def _children_seconds() -> float:
    """Return the processor time of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def protoset() -> FileDescriptorSet:
    """Return the contract of terminals, and the echo as a service of the same messages."""
    files: dict[str, FileDescriptorProto] = {}
    _collect(terminal_service_pb2.DESCRIPTOR, files)
    package, _, service = path(BYTES, KIND, "").strip("/").rpartition(".")
    ceiling = FileDescriptorProto(
        name="bench/echo.proto",
        syntax="proto3",
        package=package,
        dependency=[terminal_service_pb2.DESCRIPTOR.name],
    )
    ceiling.service.add(name=service).method.add(
        name="ResolveCode",
        input_type=".tallymark.v1.ResolveCodeRequest",
        output_type=".tallymark.v1.ResolveCodeResponse",
    )
    return FileDescriptorSet(file=[*files.values(), ceiling])


def _collect(file: FileDescriptor, files: dict[str, FileDescriptorProto]) -> None:
    """Add a file behind those that it needs."""
    for needed in file.dependencies:
        _collect(needed, files)
    if file.name not in files:
        files[file.name] = FileDescriptorProto()
        file.CopyToProto(files[file.name])


if __name__ == "__main__":
    main(measure, "ghz")
