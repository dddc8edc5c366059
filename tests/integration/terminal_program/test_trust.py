"""Certificate, tag and checkpoints from the command line."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import sys
import termios
import time
from asyncio.subprocess import Process

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from PIL import Image

from tallymark.v1 import checkpoint_pb2, key_pb2, process_pb2
from tallymark_protocol.checkpoint import parse_checkpoint
from tallymark_protocol.terminal_tag import TagKind, parse
from tallymark_terminal.scanner import read_texts
from tests.doubles.terminal_access import LIFE_SECONDS

from .program import ENDS_WITHIN_SECONDS, Program

WINDOW = struct.pack("HHHH", 60, 120, 0, 0)
"""Rows and columns of a window that has room for the tag."""


async def test_renew_gets_the_next_certificate_for_a_new_key(program: Program) -> None:
    before = program.identity()

    ended = await program.run("renew")

    after = program.identity()
    assert ended.exit_code == 0
    assert ended.out.startswith("Renewed. The certificate is good until ")
    assert after.key.key_hash() != before.key.key_hash()
    assert (await program.run("keys")).exit_code == 0
    assert program.double.access.callers[-1] == after.key.key_hash()


async def test_renew_without_an_answer_says_to_run_it_again(program: Program) -> None:
    program.double.lost_answers["RenewCertificate"] = 1

    first = await program.run("renew")
    second = await program.run("renew")

    assert (first.exit_code, second.exit_code) == (3, 0)
    assert "Run the same command again" in first.err
    one, other = program.double.requests("RenewCertificate")
    assert one == other


async def test_renew_tells_a_revoked_terminal_to_enrol_again(program: Program) -> None:
    program.double.access.revoke()

    ended = await program.run("renew")

    assert ended.exit_code == 6
    assert "Enrol it again" in ended.err


async def test_certificate_that_is_due_is_renewed_by_the_next_scan(program: Program) -> None:
    before = program.identity().key.key_hash()
    program.double.now = lambda: time.time() + LIFE_SECONDS * 0.6

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 0, ended.err
    assert program.identity().key.key_hash() != before
    assert ended.err == ""


async def test_failed_renewal_is_told_and_the_sale_is_made(program: Program) -> None:
    program.double.lost_requests["RenewCertificate"] = 1
    program.double.now = lambda: time.time() + LIFE_SECONDS * 0.6

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")

    assert ended.exit_code == 0
    assert "could not be renewed" in ended.err


async def test_server_that_has_moved_can_be_named(program: Program) -> None:
    moved = program.home / "terminal.json"
    content = json.loads(moved.read_text())
    moved.write_text(json.dumps({**content, "server": "127.0.0.1:1"}))

    lost = await program.run("keys")
    found = await program.run("--server", program.double.terminal_address, "keys")

    assert (lost.exit_code, found.exit_code) == (5, 0)


async def test_status_shows_who_this_is_without_asking_the_server(program: Program) -> None:
    empty = await program.run("status", "--json")
    await program.run("scan", program.new_picture(), "--charge", "1", "--hold")
    asked = len(program.double.calls)

    ended = await program.run("status", "--json")
    in_words = await program.run("status")

    assert len(program.double.calls) == asked
    identity = program.identity()
    shown = ended.only
    assert shown["terminal_id"] == "till-1"
    assert shown["merchant_id"] == "corner-shop"
    assert shown["merchant_name"] == "Corner Shop"
    assert shown["server"] == program.double.terminal_address
    assert shown["key_hash"] == identity.key.key_hash()
    assert shown["certificate_expires_at"].startswith(
        f"{identity.certificate.expires_at:%Y-%m-%dT%H:%M:%S}"
    )
    assert parse_checkpoint(shown["checkpoint"]).sequence > 100
    assert (shown["open_sales"], shown["audit_keys"]) == (1, 1)
    assert empty.only["checkpoint"] is None
    for part in ("till-1", "Corner Shop", program.double.terminal_address, "tmc1:0:", "sales: 1"):
        assert part in in_words.out


async def test_receipt_carries_the_checkpoint_of_its_completion(program: Program) -> None:
    sold = await program.run("scan", program.new_picture(), "--charge", "1", "--earn", "5")
    receipt = await program.run("receipt", "--json")
    printed = await program.run("receipt")
    back = await program.run("reverse", receipt.only["process_id"], "--json")

    checkpoint = receipt.only["checkpoint"]
    assert f"Checkpoint: {checkpoint}" in sold.out
    assert f"Checkpoint: {checkpoint}" in printed.out
    sequence = parse_checkpoint(checkpoint).sequence
    assert parse_checkpoint(back.only["checkpoint"]).sequence > sequence


async def test_receipt_carries_the_signed_confirmation_in_the_contracts_json(
    program: Program,
) -> None:
    confirmation = process_pb2.Confirmation(
        statement=b"\x8d\x00\xff what was seen",
        signature=bytes(range(64)),
        device_key=key_pb2.PublicKey(
            algorithm=key_pb2.KEY_ALGORITHM_ES256, key_bytes=b"\x04" + bytes(64)
        ),
        device_id="device-1",
    )
    confirmation.confirmed_at.FromMilliseconds(1_900_000_000_123)
    program.double.confirmation = confirmation

    sold = await program.run("scan", program.new_picture(), "--charge", "1", "--json")
    document = await program.run("receipt", "--document")
    printed = await program.run("receipt")

    receipt = json_format.Parse(document.out, process_pb2.Receipt())
    assert receipt.confirmation == confirmation
    assert sold.only["receipt"] == document.only
    assert "signed on the phone" in printed.out


async def test_checkpoints_are_printed_as_those_who_verify_the_journal_read_them(
    program: Program,
) -> None:
    for _ in range(2):
        await program.run("scan", program.new_picture(), "--charge", "1")

    plain = await program.run("checkpoints")
    as_json = await program.run("checkpoints", "--json")
    signed = await program.run("checkpoints", "--signed")

    sequences = [parse_checkpoint(line).sequence for line in plain.out.splitlines()]
    assert len(sequences) == 2
    assert sequences == sorted(sequences)
    newest = json_format.Parse(signed.out, checkpoint_pb2.SignedCheckpoint())
    assert newest.audit_key.key_bytes == (
        program.double.journal.audit_key.public_key().public_bytes_raw()
    )
    assert newest.sequence == sequences[0]
    assert {one["checkpoint"] for one in as_json.objects} == set(plain.out.splitlines())
    (with_signature,) = [one["signed"] for one in as_json.objects if one["signed"]]
    assert with_signature == json.loads(signed.out)


async def test_terminal_without_checkpoints_prints_none(program: Program) -> None:
    for option in ((), ("--json",), ("--signed",)):
        ended = await program.run("checkpoints", *option)
        assert (ended.exit_code, ended.out) == (0, "")


async def test_another_audit_key_is_said_loudly_and_the_sale_is_made(program: Program) -> None:
    await program.run("keys")
    program.double.journal.audit_key = Ed25519PrivateKey.from_private_bytes(bytes(32))

    ended = await program.run("scan", program.new_picture(), "--charge", "1", "--json")
    status = await program.run("status")

    assert ended.exit_code == 0
    assert "WARNING: the server's audit key is not the one of before." in ended.err
    assert "more than one key" in status.out


async def test_tag_is_written_as_a_picture_that_the_scanner_reads(program: Program) -> None:
    png, svg = program.folder / "tag.png", program.folder / "tag.svg"

    ended = await program.run("tag", "--printed", "--png", str(png), "--svg", str(svg))

    assert ended.exit_code == 0, ended.err
    with Image.open(png) as picture:
        (text,) = read_texts(picture.convert("L"), thorough=True)
    claims = parse(text).claims
    assert (claims.terminal_id, claims.kind) == ("till-1", TagKind.PRINTED)
    assert "<svg" in svg.read_text()
    assert ended.out.startswith("Good until ")


async def test_tag_is_handed_on_as_text_and_as_json(program: Program) -> None:
    as_text = await program.run("tag", "--text")
    as_json = await program.run("tag", "--json")

    assert parse(as_text.out.strip()).claims.kind is TagKind.DISPLAY
    shown = as_json.only
    assert parse(shown["tag"]).claims.terminal_id == shown["terminal_id"] == "till-1"
    assert shown["next_at"] < shown["expires_at"]


async def test_tag_that_cannot_be_written_is_wrong_use(program: Program) -> None:
    ended = await program.run("tag", "--png", str(program.folder / "missing" / "tag.png"))

    assert ended.exit_code == 2
    assert "cannot be written" in ended.err


async def test_tag_without_an_answer_is_not_connected(program: Program) -> None:
    program.double.lost_requests["GetTag"] = 1

    ended = await program.run("tag", "--text")

    assert ended.exit_code == 5


class Window:
    """A window in which the program shows the tag."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._shown = b""
        self._looked_at = 0

    async def show(self, *parts: bytes) -> str:
        """Start the program, wait for one part after the other, end it with Ctrl-C, return all."""
        controller, window = pty.openpty()
        fcntl.ioctl(window, termios.TIOCSWINSZ, WINDOW)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tallymark_terminal", "--home", str(self._program.home), "tag"),
            stdin=window,
            stdout=window,
            stderr=window,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
        )
        os.close(window)
        try:
            async with asyncio.timeout(ENDS_WITHIN_SECONDS):
                for part in parts:
                    await self._wait_for(part, controller, process)
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
        finally:
            os.close(controller)
        return self._shown.decode()

    async def _wait_for(self, part: bytes, controller: int, process: Process) -> None:
        while (found := self._shown.find(part, self._looked_at)) < 0:
            assert process.returncode is None, self._shown
            self._shown += await asyncio.to_thread(os.read, controller, 65_536)
        self._looked_at = found + len(part)


@pytest.mark.skipif(os.name != "posix", reason="windows of this kind are POSIX")
async def test_tag_on_the_screen_renews_itself(program: Program) -> None:
    program.double.tag_life_seconds = 3

    shown = await Window(program).show(b"good for 3 s", b"good for 1 s", b"good for 3 s")

    assert "Corner Shop, till-1" in shown
    assert "█" in shown
    assert len(program.double.requests("GetTag")) >= 2
