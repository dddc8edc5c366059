"""A whole story is recorded, every RPC in it, and no secret of it is in the file in any form."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tallymark.v1.customer_service_pb2 import GetWalletRequest, IssueCodeResponse, SignInResponse
from tallymark.v1.terminal_service_pb2 import ResolveCodeRequest
from tallymark_load.binary_log import LogReader, LogWriter
from tallymark_load.recorded import RecordedCall, calls_of
from tallymark_load.recording import Proxy, Recorder, recording_interceptors
from tallymark_load.recording.proxy import OPTIONS
from tallymark_load.redaction import Redaction, RedactionRules
from tallymark_protocol.tls import ClientIdentity, open_channel
from tallymark_server.keyring import Keyring
from tallymark_server.storage.memory import MemoryStore
from tests.integration.load.any_service import listening
from tests.world.actor import Actor
from tests.world.contract import RPCS
from tests.world.played import play_all, secrets_of
from tests.world.secret_values import forms_of, secrets_in
from tests.world.serving import world
from tests.world.stage import ANAS_NUMBER, BOBS_NUMBER, Stage
from tests.world.world import World

Opener = Callable[[World, int, ClientIdentity | None, Any], Any]


@asynccontextmanager
async def openers(way: str, recorder: Recorder) -> AsyncIterator[Opener]:
    """Give what opens channels of the world, so that all that passes is recorded."""
    async with AsyncExitStack() as stack:

        async def intercepted(
            served: World, port: int, identity: ClientIdentity | None = None, _: Any = ()
        ) -> grpc.aio.Channel:
            credentials = grpc.ssl_channel_credentials(
                served.ca_pem.encode(),
                identity.private_key_pem.encode() if identity else None,
                identity.certificate_pem.encode() if identity else None,
            )
            return await stack.enter_async_context(
                grpc.aio.secure_channel(
                    f"127.0.0.1:{port}",
                    credentials,
                    interceptors=recording_interceptors(recorder),
                )
            )

        async def proxied(
            served: World, port: int, identity: ClientIdentity | None = None, _: Any = ()
        ) -> grpc.aio.Channel:
            address = f"127.0.0.1:{port}"
            upstream = await stack.enter_async_context(
                open_channel(address, ca_certificates_pem=served.ca_pem, identity=identity)
            )
            proxy = Proxy(upstream, recorder, authority=address)
            own = await stack.enter_async_context(listening(proxy, OPTIONS))
            return await stack.enter_async_context(grpc.aio.insecure_channel(own))

        yield intercepted if way == "interceptors" else proxied


@pytest.mark.parametrize("way", ["interceptors", "proxy"])
async def test_no_secret_of_a_whole_story_is_in_its_recording(
    way: str, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, secrets = tmp_path / "story.binlog", set[str]()
    _overhear(monkeypatch, secrets)

    redaction = Redaction(is_personal_redacted=True)
    with LogWriter(path) as writer, Recorder(writer, redaction) as recorder:
        async with openers(way, recorder) as opener:
            monkeypatch.setattr(World, "channel", opener)
            async with world(MemoryStore(), keyring) as served:
                stage = await Stage.set_up(served)
                secrets |= secrets_of(stage, await play_all(stage))

    assert len(secrets) > 30, "the story has secrets"
    written = path.read_bytes()
    assert _shown(secrets, written) == set()
    assert all(number.encode() not in written for number in (ANAS_NUMBER, BOBS_NUMBER))
    _check_whole(path, recorder)


async def test_the_search_finds_the_secrets_of_a_recording_that_is_not_redacted(
    keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, secrets = tmp_path / "story.binlog", set[str]()
    _overhear(monkeypatch, secrets)
    monkeypatch.setattr(Redaction, "replaces", lambda *_: None)
    monkeypatch.setattr(RedactionRules, "hides_key", lambda *_: False)

    with LogWriter(path) as writer, Recorder(writer, Redaction()) as recorder:
        async with openers("interceptors", recorder) as opener:
            monkeypatch.setattr(World, "channel", opener)
            async with world(MemoryStore(), keyring) as served:
                await Stage.set_up(served)

    assert secrets
    assert _shown(secrets, path.read_bytes()) == secrets


def test_what_a_replay_correlates_stays_equal() -> None:
    """The code that one answer gave is the one that a later request names, and so is the token."""
    redaction = Redaction()
    code, token = "TM1:ABCDEFGH", "tms_of-a-session"

    issued = redaction.body(
        "/tallymark.v1.CustomerService/IssueCode",
        IssueCodeResponse(code=code).SerializeToString(),
        is_request=False,
    )
    request = ResolveCodeRequest()
    request.identification.code = code
    resolved = redaction.body(
        "/tallymark.v1.TerminalService/ResolveCode", request.SerializeToString(), is_request=True
    )
    signed_in = redaction.body(
        "/tallymark.v1.CustomerService/SignIn",
        SignInResponse(session_token=token).SerializeToString(),
        is_request=False,
    )
    carried = redaction.metadata([("authorization", f"Bearer {token}".encode())])

    pseudonym = IssueCodeResponse.FromString(issued.data).code
    assert pseudonym.startswith("redacted:")
    assert ResolveCodeRequest.FromString(resolved.data).identification.code == pseudonym
    session = SignInResponse.FromString(signed_in.data).session_token
    assert carried == [("authorization", f"Bearer {session}".encode())]


def test_two_recordings_of_the_same_secret_have_nothing_in_common() -> None:
    assert Redaction().pseudonym(b"TM1:ABC") != Redaction().pseudonym(b"TM1:ABC")


def test_what_a_newer_contract_added_is_left_out_and_said() -> None:
    newer = GetWalletRequest().SerializeToString() + b"\xfa\x7f\x06secret"

    redacted = Redaction().body("/tallymark.v1.CustomerService/GetWallet", newer, is_request=True)

    assert redacted == (b"", True)


def _shown(secrets: set[str], written: bytes) -> set[str]:
    """Return the secrets that a file holds in any form."""
    return {
        secret
        for secret in secrets
        if any(content in written for content in forms_of(secret).values())
    }


def _overhear(monkeypatch: pytest.MonkeyPatch, secrets: set[str]) -> None:
    """Collect the secrets of every call that an actor makes, also while the stage is set up."""
    call = Actor.call

    async def overheard(self: Actor, name: str, request: Any, **options: Any) -> Any:
        answer = await call(self, name, request, **options)
        secrets.update(secrets_in(request) | secrets_in(answer))
        return answer

    monkeypatch.setattr(Actor, "call", overheard)


def _check_whole(path: Path, recorder: Recorder) -> None:
    with LogReader(path) as reader:
        calls: list[RecordedCall] = list(calls_of(reader))
    assert reader.damage is None
    assert recorder.lost == 0
    assert {rpc.full_path for rpc in RPCS} <= {call.method for call in calls}
    assert [call.method for call in calls if call.is_truncated] == []
