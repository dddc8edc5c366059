"""The line to the host: signed on, kept warm, built again; and what calls get without it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tallymark_institution.iso8583.gateway import host_line
from tallymark_institution.iso8583.gateway.host_line import HostLine, LineDown, LineSettings
from tallymark_institution.iso8583.host.server import CardHost
from tallymark_institution.iso8583.message import Message
from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationState,
    CaptureResult,
    InstitutionSilent,
    ReversalResult,
)
from tallymark_server.tls.authority import Authority
from tests.integration.iso8583.ground import (
    DEADLINE_SECONDS,
    Counter,
    counter,
    line_to,
    write_identity,
)
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import START

ECHO_SECONDS = 0.02


def network(host: CardHost) -> list[str]:
    """Return what the gateway's 0800 were about."""
    return [message.field(70) for message in host.heard if message.kind == "0800"]


async def ignore(_: Message) -> None:
    pass


def do_nothing() -> None:
    pass


async def network_of(host: CardHost, line: LineSettings, *, count: int) -> list[str]:
    """Keep a line up until the host has heard so many 0800, and return what they were about."""
    running = HostLine(line, on_message=ignore, on_up=do_nothing, now=lambda: 0.0)
    task = asyncio.create_task(running.run())
    try:
        await asyncio.wait_for(host.hears("0800", count), DEADLINE_SECONDS)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return network(host)[:count]


async def test_it_signs_on_first_and_signs_off_last(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    async with counter(tmp_path, line_to(host_port)) as desk:
        await desk.authorise("a1", 1250)

    assert [message.kind for message in host.heard] == ["0800", "0100", "0800"]
    assert network(host) == ["001", "002"]


async def test_a_silent_line_is_kept_up_by_echoes(host: CardHost, host_port: int) -> None:
    line = replace(line_to(host_port), echo_seconds=ECHO_SECONDS)

    heard = await network_of(host, line, count=5)

    assert heard == ["001", "301", "301", "301", "301"]


async def test_a_line_without_an_echo_is_cut_and_built_again(
    host: CardHost, host_port: int
) -> None:
    host.answers_echo = False
    line = replace(line_to(host_port), echo_seconds=ECHO_SECONDS, answer_seconds=1.0)

    heard = await network_of(host, line, count=3)

    assert heard == ["001", "301", "001"]


async def test_an_echo_of_the_host_is_answered(desk: Counter, host: CardHost) -> None:
    await desk.authorise("a1", 1250)
    host.say(Message(kind="0800", fields={7: "0102030405", 11: "000009", 70: "301"}))

    answer = await asyncio.wait_for(host.hears("0810"), DEADLINE_SECONDS)

    assert answer.fields == {7: "0102030405", 11: "000009", 39: "00", 70: "301"}


async def test_without_a_sign_on_nothing_is_asked(
    tmp_path: Path, host: CardHost, host_port: int
) -> None:
    host.accepts_sign_on = False
    async with counter(tmp_path, line_to(host_port), is_up=False) as desk:
        await asyncio.wait_for(host.hears("0800", 2), DEADLINE_SECONDS)
        with pytest.raises(InstitutionSilent, match="UNAVAILABLE"):
            await desk.authorise("a1", 1250)
        host.accepts_sign_on = True
        await asyncio.wait_for(desk.gateway.line.signed_on(), DEADLINE_SECONDS)

        assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED

    assert "0100" not in {message.kind for message in host.heard[:2]}


async def test_with_the_host_down_calls_are_unavailable_and_leave_nothing(
    tmp_path: Path, host: CardHost
) -> None:
    async with host.listening() as port:
        pass  # nobody listens there now
    async with counter(tmp_path, line_to(port), is_up=False) as desk:
        with pytest.raises(InstitutionSilent, match="UNAVAILABLE"):
            await desk.authorise("a1", 1250)

        assert await desk.state("a1") is AuthorisationState.NEVER_SEEN
        assert await desk.reverse("a2") is ReversalResult.NEVER_SEEN
        assert await desk.authorise("a2", 1250) is AuthorisationAnswer.REVERSED_BEFORE
        async with host.listening(port=port):
            await asyncio.wait_for(desk.gateway.line.signed_on(), DEADLINE_SECONDS)
            assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED


async def test_what_the_host_is_to_be_told_waits_for_the_line(
    tmp_path: Path, host: CardHost
) -> None:
    async with counter_with_two_charges(tmp_path, host) as (desk, port):
        desk.give_up_waiting()
        with pytest.raises(InstitutionSilent):
            await desk.capture("a1")
        with pytest.raises(InstitutionSilent):
            await desk.reverse("a2")
        states = [await desk.state("a1"), await desk.state("a2")]

        async with host.listening(port=port):
            await asyncio.wait_for(desk.gateway.line.signed_on(), DEADLINE_SECONDS)
            await desk.pass_time(60)
            await desk.acknowledged("a1")
            await desk.acknowledged("a2")

            assert await desk.capture("a1") is CaptureResult.CAPTURED
            assert await desk.reverse("a2") is ReversalResult.REVERSED

    assert states == [AuthorisationState.DECIDED, AuthorisationState.DECIDED]


async def test_time_is_up_without_a_line_too(tmp_path: Path, host: CardHost) -> None:
    async with counter_with_two_charges(tmp_path, host, 77_92) as (desk, _):
        await desk.pass_time(60)

        assert await desk.state("a3") is AuthorisationState.REVERSED


@contextlib.asynccontextmanager
async def counter_with_two_charges(
    folder: Path, host: CardHost, *unanswered: int
) -> AsyncIterator[tuple[Counter, int]]:
    """Give a desk whose host went away after two charges, and its port."""
    async with contextlib.AsyncExitStack() as stack:
        listening = contextlib.AsyncExitStack()
        port = await listening.enter_async_context(host.listening())
        desk = await stack.enter_async_context(counter(folder, line_to(port)))
        await desk.authorise("a1", 1000)
        await desk.authorise("a2", 2000)
        if unanswered:
            desk.give_up_waiting()
            with pytest.raises(InstitutionSilent):
                await desk.authorise("a3", unanswered[0])
        await listening.aclose()
        await asyncio.wait_for(desk.gateway.line.fallen(), DEADLINE_SECONDS)
        yield desk, port


async def test_waits_between_two_connections_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            raise asyncio.CancelledError

    monkeypatch.setattr(host_line, "_wait", wait)
    line = HostLine(
        LineSettings(host="127.0.0.1", port=1), on_message=ignore, on_up=do_nothing, now=lambda: 0.0
    )

    with pytest.raises(asyncio.CancelledError):
        await line.run()

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_nothing_is_sent_on_a_line_that_is_down() -> None:
    line = HostLine(
        LineSettings(host="127.0.0.1", port=1), on_message=ignore, on_up=do_nothing, now=lambda: 0.0
    )

    with pytest.raises(LineDown):
        line.send(Message(kind="0100", fields={}))


@pytest.mark.parametrize("turns", range(12))
async def test_a_line_that_falls_while_it_is_given_up_is_not_built_again(
    host: CardHost, host_port: int, turns: int
) -> None:
    """A group of tasks that fails as it is cancelled tells of the failure alone."""
    line = HostLine(line_to(host_port), on_message=ignore, on_up=do_nothing, now=lambda: 0.0)
    task = asyncio.create_task(line.run())
    await line.signed_on()

    host.cut()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=DEADLINE_SECONDS)

    assert done == {task}


async def tls_of(authority: Authority, folder: Path) -> ssl.SSLContext:
    """Return what a host serves with."""
    identity = authority.issue_server(["127.0.0.1"], now=START)
    await asyncio.to_thread(write_identity, identity, folder, "host")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "host.pem", folder / "host.key")
    return context


async def test_both_lines_can_be_tls(tmp_path: Path, host: CardHost) -> None:
    authority = new_authority(LONG_LIVES)
    trust = ssl.create_default_context(cadata=authority.certificates_pem)

    async with (
        host.listening(tls=await tls_of(authority, tmp_path)) as port,
        counter(tmp_path, replace(line_to(port), tls=trust), authority=authority) as desk,
    ):
        assert await desk.authorise("a1", 1250) is AuthorisationAnswer.APPROVED


async def test_a_host_that_somebody_else_vouches_for_gets_no_card(
    tmp_path: Path, host: CardHost, caplog: pytest.LogCaptureFixture
) -> None:
    trust = ssl.create_default_context(cadata=new_authority(LONG_LIVES).certificates_pem)

    async with (
        host.listening(tls=await tls_of(new_authority(LONG_LIVES), tmp_path)) as port,
        counter(tmp_path, replace(line_to(port), tls=trust), is_up=False) as desk,
    ):
        with pytest.raises(InstitutionSilent):
            await desk.authorise("a1", 1250)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while "CERTIFICATE_VERIFY_FAILED" not in caplog.text:
                await desk.state("a1")

    assert host.heard == []
