"""Codes for once: as pictures, for one terminal, with a password."""

import io
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import registration_pb2
from tallymark_phone.main import EXIT_REFUSED, EXIT_USAGE
from tests.doubles.customer_facts import PASSWORD, code_text

from .program import PhoneProgram

TAG = "TT1:8M6H%O.CB:+2L/LWG*-$ 0Z7 "  # Base45: a space may stand at its end


async def test_one_code_is_written_as_pictures_only_its_owner_can_read(
    phone: PhoneProgram, tmp_path: Path
) -> None:
    png, svg = tmp_path / "code.png", tmp_path / "code.svg"

    result = await phone.run("show", "--png", str(png), "--svg", str(svg))

    assert result.exit_code == 0
    assert "Good until" in result.output
    assert "(60 s)" in result.output
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png.read_bytes())))
    assert found.text == code_text(0)
    assert {path.stat().st_mode & 0o777 for path in (png, svg)} == {0o600}


async def test_one_code_is_printed_without_its_text(phone: PhoneProgram) -> None:
    result = await phone.run("show", "--once")

    assert result.exit_code == 0
    assert "▀" in result.output
    assert "Only for" not in result.output


@pytest.mark.parametrize("way", ["--tag", "--tag-file", "standard input"])
async def test_a_code_for_one_terminal_says_whose_it_is(
    phone: PhoneProgram, tmp_path: Path, way: str
) -> None:
    file = tmp_path / "tag"
    file.write_text(f"{TAG}\n", "ascii")
    options = {
        "--tag": ["--tag", TAG],
        "--tag-file": ["--tag-file", str(file)],
        "standard input": ["--tag-file", "-"],
    }[way]

    result = await phone.run("show", "--once", *options, stdin=f"{TAG}\n")

    assert result.exit_code == 0
    assert "Only for Corner Café (till-1)" in result.output
    (call,) = phone.double.calls
    assert isinstance(call, pb.IssueCodeRequest)
    assert call.terminal_tag == TAG


async def test_a_code_that_the_server_did_not_bind_is_not_shown(phone: PhoneProgram) -> None:
    phone.double.bound_to = ("", "")

    result = await phone.run("show", "--once", "--tag", TAG)

    assert result.exit_code == EXIT_REFUSED
    assert "▀" not in result.output


async def test_showing_without_a_terminal_is_wrong_usage(phone: PhoneProgram) -> None:
    assert (await phone.run("show")).exit_code == EXIT_USAGE


async def test_the_password_is_sent_only_when_the_server_asks_for_it(
    phone: PhoneProgram,
) -> None:
    await phone.run("show", "--once")
    phone.double.is_password_needed = True
    result = await phone.run("show", "--once")

    assert result.exit_code == 0
    assert [getattr(call, "password", None) for call in phone.double.calls] == ["", "", PASSWORD]


async def test_the_only_ticket_of_an_event_is_found(phone: PhoneProgram) -> None:
    for ticket_id in ("T1", "T2"):
        phone.double.wallet.tickets.append(
            registration_pb2.Ticket(event_id=f"event-{ticket_id.lower()}", ticket_id=ticket_id)
        )

    result = await phone.run("show", "--event", "event-t2", "--once")
    unknown = await phone.run("show", "--event", "other", "--once")

    assert result.exit_code == 0
    assert unknown.exit_code == EXIT_USAGE
    issued = [call for call in phone.double.calls if isinstance(call, pb.IssueCodeRequest)]
    assert [call.ticket.ticket_id for call in issued] == ["T2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--purpose", "ticket"],
        ["--purpose", "points", "--event", "x"],
        ["--bill", "R-17"],
        ["--tag", TAG, "--tag-file", "-"],
    ],
)
async def test_choices_that_do_not_fit_are_wrong_usage(
    phone: PhoneProgram, arguments: list[str]
) -> None:
    assert (await phone.run("show", "--once", *arguments)).exit_code == EXIT_USAGE


async def test_codes_are_taken_back(phone: PhoneProgram) -> None:
    assert (await phone.run("revoke")).output == "Codes taken back: 2\n"
