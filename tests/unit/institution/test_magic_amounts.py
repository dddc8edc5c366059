"""The table of magic amounts, and that every place which shows it shows the same."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tallymark_institution.authorisation import Outcome
from tallymark_institution.magic_amounts import MAGIC, MAGIC_PREFIX, Magic, Quirk, magic_of
from tallymark_institution.main import main

DOCUMENT = Path(__file__).parents[3] / "docs" / "institution-simulator.md"

all_magic = pytest.mark.parametrize("magic", MAGIC, ids=lambda magic: str(magic.code))


@all_magic
def test_only_the_last_four_digits_are_magic(magic: Magic) -> None:
    amount = MAGIC_PREFIX * 100 + magic.code

    assert magic_of(amount) == magic
    assert magic_of(12_340_000 + amount) == magic
    assert magic_of(amount + 100).quirk is Quirk.NONE
    assert magic_of(amount + 100).outcome is Outcome.APPROVED


@pytest.mark.parametrize("minor_units", [0, 1, 51, 1999, 7700, 7751_00, 7799, 10**12])
def test_ordinary_amounts_are_approved(minor_units: int) -> None:
    assert magic_of(minor_units).outcome is Outcome.APPROVED
    assert magic_of(minor_units).quirk is Quirk.NONE


def test_every_decline_and_every_quirk_has_an_amount() -> None:
    outcomes = {magic.outcome for magic in MAGIC}
    quirks = {magic.quirk for magic in MAGIC}

    assert outcomes == set(Outcome) - {Outcome.REVERSED_BEFORE}
    assert quirks == set(Quirk)


@all_magic
def test_the_document_has_the_row(magic: Magic) -> None:
    row = f"| {MAGIC_PREFIX}{magic.code:02} | {magic.sentence} |"

    assert row in DOCUMENT.read_text(encoding="utf-8").splitlines()


def test_the_help_has_every_row() -> None:
    result = CliRunner().invoke(main, ["simulate", "--help"])

    assert result.exit_code == 0
    for magic in MAGIC:
        assert f"{MAGIC_PREFIX}{magic.code:02}  {magic.sentence}" in result.output
