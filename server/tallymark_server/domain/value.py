"""What the rules are written in: values that are made once and never change."""

import msgspec

__all__ = ["Value"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value that is made of values made before it.

    So none can lead back to itself, and Python's search for such circles need not visit any. At a
    thousand admissions a second that search took 78 and 111 ms with 98,000 and 125,000 objects, and
    18 ms with the 11,000 that were left without values and keys (measured).
    """
