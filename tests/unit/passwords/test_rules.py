"""Which passwords may be chosen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.passwords import check_new, normalised
from tallymark_server.passwords.rules import CHARACTERS_MIN

COMMON = [
    "password",
    "Password1",
    "PASSWORD123",
    "pa$$w0rd",
    "12345678",
    "qwertyuiop",
    "strawberry",
    "aaaaaaaa",
    "        ",
    "abcabcabcabc",
]

OF_CONTEXT = [
    "tallymark",
    "Tallymark1",
    "T4llym4rk2026!",
    "kramyllat",
    "tallymarktallymark",
    "anna.maria",
    "anna.maria1",
    "annamaria99",
    "Anna-Anna-Anna",
    "airamanna",
    "4nn4m4r14!",
    "tallymark-anna",
    "anna123456",
]

GOOD = [
    "correct horse battery staple",
    "correct horse",
    "mein Zug fährt um 7",
    "пароль из четырёх слов",
    "四つの言葉の合言葉",
    "🦊🌧🚲🥐🎻🧦🪁🍋",
    "zq3!vT9x",
    "annual tally of marks",
    "anna saw nine foxes",
]


def reason_of(password: str, login_name: str = "anna.maria") -> str:
    try:
        check_new(password, login_name=login_name)
    except Refused as refused:
        return str(refused.reason)
    return "OK"


@pytest.mark.parametrize("password", COMMON)
def test_what_thieves_try_first_is_refused(password: str) -> None:
    assert reason_of(password) == Reason.PASSWORD_COMMON


@pytest.mark.parametrize("password", OF_CONTEXT)
def test_little_more_than_the_names_that_everybody_knows_is_refused(password: str) -> None:
    assert reason_of(password) == Reason.PASSWORD_COMMON


@pytest.mark.parametrize("password", GOOD)
def test_any_other_characters_will_do_in_any_mixture(password: str) -> None:
    assert reason_of(password) == "OK"


def test_the_words_of_another_customer_are_no_bar() -> None:
    assert reason_of("annamaria99", login_name="ben") == "OK"


@pytest.mark.parametrize("name", ["ana", "a-1", "1234567890", "b_b", "x@y.example"])
def test_no_login_name_is_its_own_password(name: str) -> None:
    password = name.ljust(CHARACTERS_MIN, "1")

    assert reason_of(password, login_name=name) == Reason.PASSWORD_COMMON


def test_characters_are_counted_after_composition() -> None:
    decomposed = unicodedata.normalize("NFD", "äöüäöüä")
    assert len(decomposed) == 14

    with pytest.raises(Refused) as refused:
        check_new(decomposed, login_name="ana")

    assert refused.value.reason is Reason.PASSWORD_TOO_SHORT
    assert refused.value.metadata == {"characters_min": "8"}


def test_a_character_beyond_the_first_plane_counts_once() -> None:
    assert reason_of("🦊🌧🚲🥐🎻🧦🪁") == Reason.PASSWORD_TOO_SHORT


@given(st.text(max_size=300))
def test_both_forms_of_a_text_are_one_password(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))

    assert normalised(composed) == normalised(decomposed)
    assert normalised(normalised(text)) == normalised(text)


@given(st.text(max_size=300), st.text(max_size=64))
def test_every_text_is_let_pass_or_refused(password: str, login_name: str) -> None:
    reasons = {"OK", Reason.PASSWORD_COMMON, Reason.PASSWORD_TOO_SHORT}

    assert reason_of(password, login_name) in reasons
