import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tallymark_terminal.picture_files import PICTURE_PIXELS_MAX, decode_picture
from tallymark_terminal.scanner import ScanRefused, read_code

from .codes import FOREIGN_TEXT, code_text
from .photographs import Photograph, encoded, photograph_of_text, side_by_side, symbol
from .picture_table import (
    CODES_PER_STRENGTH,
    DISTORTIONS,
    Distortion,
    Finding,
    markdown_table,
    report_entries,
    try_out,
)

ROOT = Path(__file__).parents[3]
REPORTS = ROOT / "build" / "reports"
ROW_HEIGHT_PIXELS = 10


def photographed(*texts: str) -> bytes:
    """Return one photograph of several phones as a file."""
    phones = [Photograph().of(text, seed=seed) for seed, text in enumerate(texts)]
    return encoded(side_by_side(phones), "JPEG")


def bomb() -> bytes:
    """Return a small file that unpacks to more pixels than are allowed."""
    width = PICTURE_PIXELS_MAX // ROW_HEIGHT_PIXELS + 1
    file = io.BytesIO()
    Image.new("1", (width, ROW_HEIGHT_PIXELS)).save(file, "PNG")
    return file.getvalue()


OTHER_PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "the code as the phone saves it": (
        lambda: encoded(symbol(code_text(1), pixels_per_module=1)),
        "read",
    ),
    "one phone": (lambda: photographed(code_text(1)), "read"),
    "the same code on two phones": (lambda: photographed(code_text(1), code_text(1)), "read"),
    "a Tallymark code and a foreign one": (
        lambda: photographed(FOREIGN_TEXT, code_text(1)),
        "read",
    ),
    "codes of two customers": (lambda: photographed(code_text(1), code_text(2)), "SeveralCodes"),
    "only a foreign code": (lambda: photographed(FOREIGN_TEXT), "ForeignCode"),
    "a page of print": (lambda: encoded(photograph_of_text(), "JPEG"), "NoCodeFound"),
    "nothing": (lambda: encoded(Image.new("L", (800, 600), 128)), "NoCodeFound"),
    "a picture cut short": (
        lambda: photographed(code_text(1))[:-2000],
        "PictureUnreadable",
    ),
    "a decompression bomb": (bomb, "PictureUnreadable"),
    "a text file": (lambda: b"TM1: is how a code begins", "PictureUnreadable"),
    "an empty file": (lambda: b"", "PictureUnreadable"),
}


def outcome_of(data: bytes) -> str:
    """Return "read" if the right code is read, else the name of the refusal."""
    try:
        scanned = read_code(decode_picture(data, source="picture"), source="picture")
    except ScanRefused as refused:
        return type(refused).__name__
    return "read" if scanned.text == code_text(1) else "misread"


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    """Try out all distortions once and leave the report in build/reports."""
    found = [finding for distortion in DISTORTIONS for finding in try_out(distortion)]
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "pictures.json").write_text(json.dumps(report_entries(found), indent=2))
    (REPORTS / "pictures.md").write_text(f"{markdown_table(found)}\n{other_pictures_table()}")
    return found


def other_pictures_table() -> str:
    """Return one line for each of the other pictures."""
    lines = ["| Picture of | Outcome |", "|---|---|"]
    lines += [f"| {name} | {outcome} |" for name, (_, outcome) in OTHER_PICTURES.items()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda distortion: distortion.name)
def test_photograph_is_read_at_each_promised_strength(
    findings: list[Finding], distortion: Distortion
) -> None:
    unread = [
        finding.strength
        for finding in findings
        if finding.distortion is distortion
        and finding.strength in distortion.promised
        and finding.read < CODES_PER_STRENGTH
    ]

    assert unread == []


def test_no_photograph_is_read_wrongly(findings: list[Finding]) -> None:
    assert sum(finding.misread for finding in findings) == 0
    assert sum(finding.read for finding in findings) > 0


@pytest.mark.parametrize("name", OTHER_PICTURES)
def test_other_picture_is_read_or_refused_for_what_it_is(name: str) -> None:
    draw, expected = OTHER_PICTURES[name]

    assert outcome_of(draw()) == expected


def test_tables_in_the_documentation_are_current(findings: list[Finding]) -> None:
    documentation = (ROOT / "docs" / "pictures.md").read_text()
    advice = "put the tables of build/reports/pictures.md into docs/pictures.md"

    assert markdown_table(findings) in documentation, advice
    assert other_pictures_table() in documentation, advice
