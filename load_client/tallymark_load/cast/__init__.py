"""Who calls: merchants, terminals and customers of a server under load, kept in a cast file."""

from tallymark_load.cast.cast_file import CastFile, UnusableCast
from tallymark_load.cast.members import (
    MEMBER_KEY,
    Cast,
    Customer,
    Merchant,
    Operator,
    Server,
    Terminal,
)

__all__ = [
    "MEMBER_KEY",
    "Cast",
    "CastFile",
    "Customer",
    "Merchant",
    "Operator",
    "Server",
    "Terminal",
    "UnusableCast",
]
