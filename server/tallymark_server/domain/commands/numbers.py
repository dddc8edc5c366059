"""What customers can ask of the rules about their telephone numbers."""

from tallymark_server.domain.commands.command import Command

__all__ = ["VerifyNumber"]


class VerifyNumber(Command, frozen=True, kw_only=True):
    """Prove that the telephone number is the customer's."""

    number_code: str
    number_hash: str
