"""The simulator as a process: ready file, health, reflection, memory on disk, and its end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tallymark_institution.app import Options, serving
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    CaptureResult,
    InstitutionSilent,
)
from tallymark_server.institution import CreditInstitution, open_institution_channel

from .institution_fixtures import DEADLINE_SECONDS

PROGRAM = (sys.executable, "-c", "from tallymark_institution.main import main; main()")


@contextlib.asynccontextmanager
async def simulator(*options: str) -> AsyncIterator[tuple[Process, int]]:
    """Start one with --print and give it with its port, which its first line tells."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "simulate", "--print", *options, stdout=PIPE, stderr=PIPE
    )
    try:
        assert process.stdout is not None
        first_line = (await process.stdout.readline()).decode()
        assert first_line.startswith("Listening on port "), await errors_of(process)
        yield process, int(first_line.rstrip(".\n").rpartition(" ")[2])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def errors_of(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()


async def charge(port: int, identifier: str, minor_units: int) -> AuthorisationAnswer:
    async with open_institution_channel(f"127.0.0.1:{port}") as channel:
        result = await CreditInstitution(channel).authorise(
            identifier,
            card_token="sim_token",
            currency_code="EUR",
            minor_units=minor_units,
            merchant_id="cafe",
            terminal_id="till-1",
            deadline_seconds=DEADLINE_SECONDS,
        )
    return result.answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_code_0(tmp_path: Path, number: signal.Signals) -> None:
    ready_file = tmp_path / "ready.json"
    ready_file.write_text("left behind by another run")

    async with simulator("--ready-file", str(ready_file)) as (process, port):
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
        answer = await charge(port, "a1", 1250)
        process.send_signal(number)
        code = await process.wait()
        errors = await errors_of(process)

    assert answer is AuthorisationAnswer.APPROVED
    assert ready == {"port": port, "pid": process.pid}
    left_behind = await asyncio.to_thread(os.listdir, tmp_path)
    assert left_behind == ["ready.json"]
    assert code == 0
    assert "Traceback" not in errors


async def test_killed_and_started_again_it_remembers_what_it_told(tmp_path: Path) -> None:
    data = str(tmp_path / "journal")
    async with simulator("--data", data) as (process, port):
        await charge(port, "a1", 1250)
        process.kill()
        await process.wait()

    async with (
        simulator("--data", data) as (_, port),
        open_institution_channel(f"127.0.0.1:{port}") as channel,
    ):
        result = await CreditInstitution(channel).capture("a1", deadline_seconds=DEADLINE_SECONDS)

    assert result is CaptureResult.CAPTURED


@pytest.mark.parametrize(
    ("listen", "option", "file", "advice"),
    [
        ("127.0.0.1:{port}", "--data", "journal", "Is the port in use"),
        ("127.0.0.1:0", "--data", ".", "is a directory"),
        ("127.0.0.1:0", "--data", "nowhere/journal", "Name a file that may be written"),
        ("127.0.0.1:0", "--ready-file", "nowhere/ready", "No such file or directory"),
    ],
    ids=["port in use", "folder", "no folder", "no folder for the ready file"],
)
async def test_it_says_why_it_cannot_serve(
    tmp_path: Path, listen: str, option: str, file: str, advice: str
) -> None:
    async with serving(Options(listen="127.0.0.1:0")) as port:
        options = ("--listen", listen.format(port=port), option, str(tmp_path / file))
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "simulate", *options, stdout=PIPE, stderr=PIPE
        )
        _, errors = await process.communicate()

    assert process.returncode in {1, 2}
    assert advice in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_a_failure_of_the_disk_is_told_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_descriptor: int) -> None:
        message = "the secret of the disk"
        raise OSError(message)

    options = Options(listen="127.0.0.1:0", data=tmp_path / "journal")
    async with serving(options, grace_seconds=0) as port:
        monkeypatch.setattr(os, "fdatasync", full)

        with pytest.raises(InstitutionSilent, match="INTERNAL") as caught:
            await charge(port, "a1", 1250)

    assert "secret" not in repr(caught.value.__cause__)
    assert "the secret of the disk" in caplog.text


async def test_health_and_reflection_are_served() -> None:
    name = "tallymark.v1.CreditInstitutionService"
    question = reflection_pb2.ServerReflectionRequest(list_services="")

    async with (
        serving(Options(listen="127.0.0.1:0"), grace_seconds=0) as port,
        open_institution_channel(f"127.0.0.1:{port}") as channel,
    ):
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        health = await check(health_pb2.HealthCheckRequest(service=name))
        reflect = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        services = [
            each.name
            async for answer in reflect(iter([question]))
            for each in answer.list_services_response.service
        ]

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert name in services


async def test_health_turns_before_the_end() -> None:
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(Options(listen="127.0.0.1:0")))
        async with open_institution_channel(f"127.0.0.1:{port}") as channel:
            watch = channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            answers = watch(health_pb2.HealthCheckRequest())
            seen = [await answers.read()]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stack.aclose())
                seen.append(await answers.read())
                answers.cancel()

    assert seen == [
        health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING),
        health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING),
    ]
