"""Which passwords may be chosen: NIST SP 800-63B-4 (August 2025), section 3.1.1.2.

At least so many characters, none that thieves try first, and no other rule: any characters, spaces
too, in any mixture.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = ["CHARACTERS_MIN", "check_new", "normalised"]

CHARACTERS_MIN: Final = 8
"""The minimum for a password that is never the only factor, as here.

Signing in takes the device's key besides, adding a device an invitation. A password alone would
have to have 15.
"""

OWN_CHARACTERS_MIN: Final = 6
"""What a password must have besides the words that everybody would try for this customer."""

SERVICE_WORDS: Final = ("tallymark",)

WORD_CHARACTERS_MIN: Final = 3
"""Shorter parts of a login name are in too many good passwords."""

_LOOK_ALIKES: Final = tuple(str.maketrans("03457@$1!|", f"oeastas{one}{one}l") for one in "li")


def normalised(password: str) -> str:
    """Return the form that is counted, hashed and compared: NFC, as RFC 8265 has it for passwords.

    Two keyboards may send the same letters in different code points.
    """
    return unicodedata.normalize("NFC", password)


def check_new(password: str, *, login_name: str) -> None:
    """Let a new password pass. The contract has limited its length already.

    Raises:
        Refused: PASSWORD_TOO_SHORT, or PASSWORD_COMMON for one of those that thieves try first.

    """
    password = normalised(password)
    if len(password) < CHARACTERS_MIN:  # Python counts code points, as the standard does
        raise Refused(Reason.PASSWORD_TOO_SHORT, characters_min=str(CHARACTERS_MIN))
    words = [*SERVICE_WORDS, *_words_of(login_name)]
    folded = password.casefold()
    texts = {folded, *(folded.translate(table) for table in _LOOK_ALIKES)}
    if any(_is_guessed_first(text, words) for text in texts):
        raise Refused(Reason.PASSWORD_COMMON)


def _is_guessed_first(text: str, words: Iterable[str]) -> bool:
    """Say whether the text is common, or repeats itself, or is little more than these words."""
    own = _without(text, words)
    if own == text:
        own = _repeated_part(text)
    return own in _common() or len(own) < OWN_CHARACTERS_MIN or text in _common()


def _without(text: str, words: Iterable[str]) -> str:
    """Take out the words, forwards and backwards."""
    for word in words:
        text = text.replace(word, "").replace(word[::-1], "")
    return text


def _repeated_part(text: str) -> str:
    """Return what the text is a repetition of: `abc` for `abcabcabc`, else the text itself."""
    return text[: (text + text).find(text, 1)]


def _words_of(login_name: str) -> list[str]:
    """Return the name, and its parts between signs, the longest first."""
    name = login_name.casefold()
    parts = "".join(sign if sign.isalnum() else " " for sign in name).split()
    words = {name, *(part for part in parts if len(part) >= WORD_CHARACTERS_MIN)}
    return sorted(words, key=lambda word: (-len(word), word))


@cache
def _common() -> frozenset[str]:
    """Return the most frequent leaked passwords, words and names, some 80,000 texts.

    More would help little, because few tries are allowed (the standard says so, too).
    """
    texts = (text.casefold() for texts in FREQUENCY_LISTS.values() for text in texts)
    return frozenset(text for text in texts if len(text) >= OWN_CHARACTERS_MIN)
