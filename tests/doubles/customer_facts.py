"""What the double of the CustomerService says: its clock, its ids, its secrets and its codes."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

__all__ = [
    "CHECKPOINT",
    "DEVICE_ID",
    "NOW",
    "PASSWORD",
    "SECOND_DEVICE_ID",
    "TEN_MINUTES",
    "TOKEN",
    "WRONG_PASSWORD",
    "code_text",
    "stamp",
]

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
"""What the server's clock says; it is far from this computer's on purpose."""

TEN_MINUTES = timedelta(minutes=10)

DEVICE_ID = "00" + "d1" * 16
SECOND_DEVICE_ID = "00" + "d2" * 16
TOKEN = "session-token-that-is-secret"
PASSWORD = "correct horse battery"
WRONG_PASSWORD = "wrong"
CHECKPOINT = "tmc1:0:17:" + "ab" * 16


def stamp(time: datetime) -> Timestamp:
    """Return a time as the contract carries it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def code_text(number: int) -> str:
    """Return a text as long and of the same characters as a real code."""
    return f"TM1:{number:04}" + "8M6H%O.CB:+2L/LWG*-$ 0Z7" * 6 + "ABCDEFGHIJK"
