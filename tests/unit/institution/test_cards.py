"""Which cards are accepted, and what their tokens tell."""

import datetime as dt

import pytest

from tallymark_institution.cards import AcceptedCard, CardNotAccepted, accept_card

NUMBER = "4111111111111111"
TODAY = dt.date(2027, 1, 31)


def accepted(
    *,
    request_id: str = "r1",
    card_number: str = NUMBER,
    expires_on: str = "2027-01",
    token_key: bytes = b"k" * 32,
) -> AcceptedCard:
    return accept_card(
        request_id=request_id,
        card_number=card_number,
        expires_on=expires_on,
        today=TODAY,
        token_key=token_key,
    )


@pytest.mark.parametrize(
    ("card_number", "brand"),
    [
        ("4111111111111111", "VISA"),
        ("4222222222222", "VISA"),
        ("5555555555554444", "MASTERCARD"),
        ("2223003122003222", "MASTERCARD"),
        ("378282246310005", "AMERICAN EXPRESS"),
        ("3530111333300000", "JCB"),
        ("6011111111111117", "DISCOVER"),
        ("30569309025904", "DINERS CLUB"),
        ("6205500000000000004", "UNIONPAY"),
        ("5019717010103742", "OTHER"),
    ],
)
def test_the_brand_follows_from_the_prefix(card_number: str, brand: str) -> None:
    card = accepted(card_number=card_number)

    assert card.brand == brand
    assert card.last_four == card_number[-4:]


def test_every_mistyped_digit_is_noticed() -> None:
    for place, right in enumerate(NUMBER):
        for wrong in set("0123456789") - {right}:
            with pytest.raises(CardNotAccepted, match="mistyped") as caught:
                accepted(card_number=NUMBER[:place] + wrong + NUMBER[place + 1 :])
            assert caught.value.field == "card_number"


def test_a_card_is_good_to_the_end_of_its_month() -> None:
    assert accepted(expires_on="2027-01").last_four == "1111"


@pytest.mark.parametrize("expires_on", ["2026-12", "2019-05"])
def test_a_card_over_its_date_is_refused(expires_on: str) -> None:
    with pytest.raises(CardNotAccepted, match="over its date") as caught:
        accepted(expires_on=expires_on)

    assert caught.value.field == "expires_on"


def test_the_token_is_the_same_for_the_same_request_and_number() -> None:
    assert accepted() == accepted(expires_on="2030-12")


@pytest.mark.parametrize(
    "other",
    [
        accepted(request_id="r2"),
        accepted(card_number="4012888888881881"),
        accepted(token_key=b"j" * 32),
    ],
    ids=["other request", "other number", "other key"],
)
def test_the_token_differs_for_another(other: AcceptedCard) -> None:
    assert other.token != accepted().token


def test_neither_token_nor_repr_shows_the_number() -> None:
    card = accepted()

    assert NUMBER[:-4] not in card.token
    assert card.token not in repr(card)
    assert NUMBER not in repr(card)
