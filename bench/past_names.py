"""By what names everybody and everything of a made-up day is found: all follow from numbers.

Codes, scans and customers are numbered from 0, by time. Scan N is of the code N * 10 + 9 and of
customer N modulo their number, who had fetched the nine codes before it, too.
"""

import hashlib
import uuid
from base64 import urlsafe_b64encode
from typing import Final, NamedTuple

from tallymark_server.domain.identifiers import DIRECTORY, make_id
from tallymark_server.services.callers import SESSION_LABEL

__all__ = ["CODES_A_SCAN", "DAY_MILLISECONDS", "Names", "Size"]

CODES_A_SCAN: Final = 10
"""A phone that shows its screen fetches a code every minute; one of so many is scanned."""

DAY_MILLISECONDS: Final = 20 * 3_600_000
"""How long the day is: less than what a code is kept after its end."""


class Size(NamedTuple):
    """How much there is."""

    codes: int
    customers: int

    @property
    def scans(self) -> int:
        """Return how many codes were scanned."""
        return self.codes // CODES_A_SCAN


class Names(NamedTuple):
    """The names of a day that began at this time (milliseconds since 1970)."""

    size: Size
    began_at: int

    def time(self, code: int) -> int:
        """Return when a code was issued, and scanned if it was."""
        return self.began_at + code * DAY_MILLISECONDS // self.size.codes

    def customer_of(self, scan: int) -> int:
        """Return whose scan it was."""
        return scan % self.size.customers

    def scans_of(self, customer: int) -> range:
        """Return the scans of a customer."""
        return range(customer, self.size.scans, self.size.customers)

    def customer_id(self, customer: int) -> str:
        """Return the id of a customer."""
        return make_id(DIRECTORY, self.began_at - 2, _ten_bytes(customer))

    def device_id(self, customer: int) -> str:
        """Return the id of a customer's phone."""
        return make_id(DIRECTORY, self.began_at - 1, _ten_bytes(customer))

    def login_name(self, customer: int) -> str:
        """Return the name that a customer signs in with."""
        return f"guest-{customer:07d}"

    def ticket_id(self, customer: int) -> str:
        """Return the id of a customer's ticket."""
        return f"T-{customer:07d}"

    def token(self, customer: int) -> str:
        """Return the session token of a customer's phone."""
        secret = hashlib.sha256(b"session %d" % customer).digest()
        return f"{SESSION_LABEL}_{urlsafe_b64encode(secret).decode().rstrip('=')}"

    def cti_hash(self, code: int) -> str:
        """Return the hash by which a code is found."""
        return hashlib.sha256(b"code %d" % code).hexdigest()

    def text_hash(self, code: int) -> str:
        """Return the hash of a code's text."""
        return hashlib.sha256(b"text %d" % code).hexdigest()

    def process_id(self, scan: int) -> str:
        """Return the id of the process that a scan set off."""
        time = self.time(scan * CODES_A_SCAN + CODES_A_SCAN - 1)
        return make_id(DIRECTORY, time, _ten_bytes(scan))

    def request_id(self, code: int, *, is_scan: bool) -> str:
        """Return the id of the request that issued a code, or of the one that scanned it."""
        name = make_id(DIRECTORY, self.time(code), _ten_bytes(2 * code + is_scan))
        return str(uuid.UUID(name[2:]))


def _ten_bytes(number: int) -> bytes:
    return number.to_bytes(10, "big")
