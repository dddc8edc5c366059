"""Telephone numbers, and the proof that one is a customer's."""

from tallymark_server.domain.value import Value

__all__ = ["NumberProof", "TelephoneNumber"]


class TelephoneNumber(Value, frozen=True, kw_only=True):
    """A telephone number, and the keyed hash under which the directory keeps it."""

    digits: str
    """In E.164 form, with the plus."""

    number_hash: str

    def __repr__(self) -> str:
        """Leave out both."""
        return "TelephoneNumber()"


class NumberProof(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A number that waits to be verified by the code that was sent to it, if one was."""

    number: TelephoneNumber
    code_hash: str = ""
    """Keyed hash of the code; empty when none could be sent."""

    good_until: int = 0
    wrong_tries: int = 0

    def __repr__(self) -> str:
        """Leave out number and code."""
        return f"NumberProof(wrong_tries={self.wrong_tries})"
