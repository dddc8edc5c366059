"""`tallymark-load record` as a program, over mutual TLS on both sides."""

import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from click.testing import CliRunner

from tallymark_load.binary_log import LogReader
from tallymark_load.commands.record import record
from tallymark_load.recorded import Logger, RecordedCall, calls_of
from tallymark_protocol.certificate_request import ClientKey
from tallymark_server.tls.authority import Authority
from tests.e2e.served import Program
from tests.integration.load.any_service import SERVICE, AnyService, Caller
from tests.world.authority import LONG_LIVES, new_authority
from tests.world.clock import START

PROGRAM = "from tallymark_load.main import main; main()"


class Identity(NamedTuple):
    """A certificate with its key, both in PEM."""

    certificate: bytes
    key: bytes


def client_of(authority: Authority, name: str) -> Identity:
    key = ClientKey.generate()
    issued = authority.issue_client(
        key.certificate_request(), kind="caller", owner_id=name, now=START
    )
    return Identity(issued.certificate_pem.encode(), key.to_pem())


def server_of(authority: Authority) -> Identity:
    issued = authority.issue_server(["127.0.0.1"], now=START)
    return Identity(issued.certificate_pem, issued.private_key_pem)


@asynccontextmanager
async def secured(authority: Authority) -> AsyncIterator[str]:
    """Serve to those whom the authority knows, and give the address."""
    server = grpc.aio.server(handlers=[AnyService()])
    own = server_of(authority)
    credentials = grpc.ssl_server_credentials(
        [(own.key, own.certificate)],
        root_certificates=authority.certificates_pem.encode(),
        require_client_auth=True,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def files(folder: Path, name: str, identity: Identity) -> tuple[str, str]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key.pem"
    certificate.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    return str(certificate), str(key)


def calls_in(path: Path) -> list[RecordedCall]:
    with LogReader(path) as reader:
        return list(calls_of(reader))


async def test_it_records_until_it_is_told_to_end(tmp_path: Path) -> None:
    authority = new_authority(LONG_LIVES)
    ca_file, out = tmp_path / "ca.pem", tmp_path / "out.binlog"
    ca_file.write_text(authority.certificates_pem)
    own_certificate, own_key = files(tmp_path, "own", server_of(authority))
    certificate, key = files(tmp_path, "proxy", client_of(authority, "proxy"))
    caller = client_of(authority, "caller")

    async with secured(authority) as address:
        program = await Program.start(
            PROGRAM, "record", "--listen", "127.0.0.1:0", "--listen-certificate", own_certificate,
            "--listen-key", own_key, "--listen-client-ca-file", str(ca_file), "--to", address,
            "--to-ca-file", str(ca_file), "--to-certificate", certificate, "--to-key", key,
            "--unsafe-keep-unknown", "--out", str(out),
        )  # fmt: skip
        try:
            await program.says("Listening on ")
            line = next(line for line in program.lines if line.startswith("Listening on "))
            credentials = grpc.ssl_channel_credentials(
                authority.certificates_pem.encode(), caller.key, caller.certificate
            )
            proxy = line.removeprefix("Listening on ").partition(",")[0]
            async with grpc.aio.secure_channel(proxy, credentials) as channel:
                assert await Caller(channel).count(2) == [b"0", b"1"]
                open_call = Caller(channel).stream("Echo")
                await open_call.write(b"still open")
                assert await open_call.read() == b"still open"
                program.send(signal.SIGTERM)
                exit_code = await program.ended()
        finally:
            await program.kill()

    assert exit_code == 0, program.output
    counted, opened = sorted(calls_in(out), key=lambda call: call.started_at_ns)
    assert counted.logger is Logger.SERVER
    assert counted.peer.startswith("ipv4:127.0.0.1:")
    assert [one.body for one in counted.received] == [b"0", b"1"]
    assert [one.body for one in opened.sent] == [b"still open"]
    assert opened.status_code == 1, "the proxy hung up"
    assert "any.v1.AnyService/Count" in program.output
    assert f"events are in {out}." in program.output
    assert SERVICE.encode() in out.read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "0.0.0.0:0"], "Others can reach --listen"),
        (["--listen-key", "{file}"], "--listen-certificate and --listen-key belong together"),
        (["--to-certificate", "{file}"], "--to-certificate and --to-key belong together"),
        (["--listen-client-ca-file", "{file}"], "needs --listen-certificate"),
        (["--to-plain-text", "--to-ca-file", "{file}"], "--to-plain-text knows no certificates"),
        (["--rules", "{file}"], "no.toml: "),
        (["--descriptor-set", "{file}"], "is no descriptor set"),
        (["--to", "nowhere"], "Write HOST:PORT"),
        (["--out", "{file}"], "a recording is never written over"),
        (["--listen", "127.0.0.1:99999"], "Write HOST:PORT"),
        (["--listen", "127.0.0.1:{taken}"], "Nobody can listen on 127.0.0.1:"),
    ],
)
def test_wrong_use_is_told_before_anything_is_recorded(
    options: list[str], said: str, tmp_path: Path
) -> None:
    file, out = tmp_path / "no.toml", tmp_path / "out.binlog"
    file.write_text("neither TOML nor anything else")
    base = ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--out", str(out)]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        values = {"file": file, "taken": listener.getsockname()[1]}
        done = CliRunner().invoke(record, base + [one.format(**values) for one in options])

    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())
    assert not out.exists()
