"""Reads the cells of one line by the rules of the contract; the first bad cell ends the line."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from tallymark_protocol.money import NotMoney, parse_minor_units

__all__ = ["BadCell", "Cells"]

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LOGIN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{2,63}")
_TICKET_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ]"
    r"(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)


class BadCell(ValueError):
    """A cell cannot be used. The message says what to do."""

    def __init__(self, column: str, advice: str) -> None:
        """Take the name of the column, and what to do."""
        super().__init__(advice)
        self.column = column
        self.advice = advice


class Cells:
    """The cells of one line by column. A reader raises `BadCell` when its cell breaks the rules."""

    def __init__(self, texts: Mapping[str, str], *, zone: tzinfo | None) -> None:
        """Take the texts, and the zone in which a day without a time begins."""
        self._texts = {column: text.strip() for column, text in texts.items()}
        self._zone = zone

    def id(self, column: str) -> str:
        """Read an id of a merchant, event or programme."""
        return self._matching(
            column, _ID, "Use 1 to 63 small letters, digits and hyphens, a hyphen not first."
        )

    def login_name(self, column: str) -> str:
        """Read a login name of a customer."""
        return self._matching(
            column, _LOGIN_NAME, "Use 3 to 64 small letters, digits and . _ @ + - as at sign-up."
        )

    def ticket_id(self, column: str) -> str:
        """Read a reference of a ticket."""
        return self._matching(
            column, _TICKET_ID, "Use 1 to 32 letters A-Z, digits and hyphens, a hyphen not first."
        )

    def reference(self, column: str) -> str:
        """Read a reference that is not empty, at most 64 characters."""
        self._required(column)
        return self.text(column, characters_max=64)

    def text(self, column: str, *, characters_max: int) -> str:
        """Read a text, which may be empty."""
        text = self._texts.get(column, "")
        if len(text) > characters_max:
            raise BadCell(column, f"Shorten it to {characters_max} characters; it has {len(text)}.")
        if any(unicodedata.category(character) == "Cc" for character in text):
            raise BadCell(column, "Remove the control character, such as a tab.")
        return text

    def whole_number(self, column: str, *, at_most: int, default: int | None = None) -> int:
        """Read a whole number from 1."""
        if default is not None and not self._texts.get(column):
            return default
        text = self._required(column)
        if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= at_most:
            raise BadCell(column, f"Write a whole number from 1 to {at_most}, digits only.")
        return int(text)

    def currency_code(self, column: str) -> str:
        """Read a currency code of ISO 4217."""
        return self._matching(
            column, re.compile("[A-Z]{3}"), "Write the three capital letters of ISO 4217, as EUR."
        )

    def minor_units(self, column: str, *, currency_code: str) -> int:
        """Read an amount above zero."""
        text = self._required(column)
        try:
            minor_units = parse_minor_units(text, currency_code)
        except NotMoney as error:
            raise BadCell(column, str(error)) from error
        if minor_units == 0:
            raise BadCell(column, "Write an amount above zero.")
        return minor_units

    def day(self, column: str) -> str:
        """Read a day as YYYY-MM-DD, or nothing."""
        text = self._texts.get(column, "")
        if text:
            self._date(column, text)
        return text

    def moment(self, column: str, *, is_end: bool = False) -> datetime | None:
        """Read a time with its offset, or a whole day, or nothing.

        A day stands for its beginning, or with `is_end` for the beginning of the day after it.
        """
        text = self._texts.get(column, "")
        if not text:
            return None
        if _DAY.fullmatch(text):
            return self._midnight(column, self._date(column, text), is_end=is_end)
        found = _MOMENT.fullmatch(text)
        if found is None:
            advice = "Write a day as 2026-05-01 or a time with offset as 2026-05-01T18:00+02:00."
            raise BadCell(column, advice)
        if found["offset"] is None:
            advice = "Add the offset to the time, for example +02:00, or Z for UTC."
            raise BadCell(column, advice)
        self._date(column, found["day"])
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise BadCell(column, "There is no such time. Correct it.") from error

    def _midnight(self, column: str, day: date, *, is_end: bool) -> datetime:
        if self._zone is None:
            advice = (
                "Name the zone in which the day begins with --time-zone, for example Europe/Berlin"
                " or UTC, or write a time with offset as 2026-05-01T18:00+02:00."
            )
            raise BadCell(column, advice)
        try:
            first_day = day + timedelta(days=1) if is_end else day
            return datetime.combine(first_day, time(), self._zone).astimezone(UTC)
        except OverflowError as error:
            raise BadCell(column, "Leave it empty when there is no limit.") from error

    def _matching(self, column: str, pattern: re.Pattern[str], advice: str) -> str:
        text = self._required(column)
        if not pattern.fullmatch(text):
            raise BadCell(column, advice)
        return text

    def _required(self, column: str) -> str:
        text = self._texts.get(column, "")
        if not text:
            raise BadCell(column, "Fill it in; it must not be empty.")
        return text

    @staticmethod
    def _date(column: str, text: str) -> date:
        advice = "There is no such day. Write it as 2026-05-01."
        if not _DAY.fullmatch(text):
            raise BadCell(column, advice)
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise BadCell(column, advice) from error
