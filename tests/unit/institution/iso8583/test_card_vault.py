"""Cards are sealed to their place, under a key that only its owner may read."""

from pathlib import Path

import pytest

from tallymark_institution.iso8583.gateway.card_vault import Card, CardVault, KeyUnusable, card_key

CARD = Card(number="4111111111111111", expires_on="2030-12")


def test_a_card_comes_back_and_its_seal_tells_nothing() -> None:
    vault = CardVault(bytes(32))

    sealed = vault.seal("here", CARD)

    assert vault.unseal("here", sealed) == CARD
    assert CARD.number.encode() not in sealed
    assert vault.seal("here", CARD) != sealed


@pytest.mark.parametrize("place", ["there", ""])
def test_a_seal_holds_in_its_place_only(place: str) -> None:
    vault = CardVault(bytes(32))

    with pytest.raises(KeyUnusable):
        vault.unseal(place, vault.seal("here", CARD))


def test_a_changed_seal_and_another_key_are_refused() -> None:
    vault = CardVault(bytes(32))
    sealed = vault.seal("here", CARD)

    with pytest.raises(KeyUnusable):
        vault.unseal("here", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(KeyUnusable):
        CardVault(bytes(31) + b"1").unseal("here", sealed)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "cards.key"

    first = CardVault.open(path, may_make=True)
    again = CardVault.open(path, may_make=True)

    assert path.stat().st_mode & 0o777 == 0o600
    assert again.unseal("here", first.seal("here", CARD)) == CARD
    assert again.token_key == first.token_key
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "mode", "advice"),
    [(bytes(32), 0o640, "chmod 600"), (bytes(31), 0o600, "from your backup")],
)
def test_a_key_that_is_open_or_broken_is_refused(
    tmp_path: Path, content: bytes, mode: int, advice: str
) -> None:
    path = tmp_path / "cards.key"
    path.write_bytes(content)
    path.chmod(mode)

    with pytest.raises(KeyUnusable, match=advice):
        CardVault.open(path, may_make=True)


def test_a_lost_key_is_not_replaced_beside_cards(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="Put the key of the cards back"):
        CardVault.open(tmp_path / "cards.key", may_make=False)


def test_neither_number_nor_token_is_shown() -> None:
    assert "411111" not in repr(CARD)
    assert card_key("iso_token") != "iso_token"
