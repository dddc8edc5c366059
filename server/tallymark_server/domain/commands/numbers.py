"""What customers can ask of the rules about their telephone numbers."""

from tallymark_server.domain.commands.command import Command
from tallymark_server.domain.model.numbers import TelephoneNumber

__all__ = ["SendNumberCode", "VerifyNumber"]


class SendNumberCode(Command, frozen=True, kw_only=True):
    """Have a new verification code sent, to this number or to the one that waits.

    `fresh` comes back in the answer, so that of equal requests only the first one sends.
    """

    number: TelephoneNumber | None
    code_hash: str
    fresh: str


class VerifyNumber(Command, frozen=True, kw_only=True):
    """Prove that the telephone number is the customer's, by the keyed hash of the code."""

    code_hash: str
