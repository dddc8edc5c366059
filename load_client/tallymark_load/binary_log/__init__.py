"""The binary log of gRPC (gRFC A16) in a file: entries, each after its length."""

from tallymark_load.binary_log.reader import Damage, LogReader
from tallymark_load.binary_log.writer import LogWriter

__all__ = ["Damage", "LogReader", "LogWriter"]
