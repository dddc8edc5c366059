"""What is asked of the rules about passwords, before and after one is compared."""

from tallymark_server.domain.commands.command import Command, RequestKey
from tallymark_server.domain.value import Value

__all__ = ["ReservePasswordTry", "RightPassword", "UnlockPassword", "UsesPassword"]


class ReservePasswordTry(Command, frozen=True, kw_only=True):
    """Count a try of the customer's before the password is compared."""

    customer_id: str

    reused: RequestKey | None = None
    """Request of the customer's that was decided with another body: the try was a guess at it."""


class UnlockPassword(Command, frozen=True, kw_only=True):
    """Forget the customer's wrong passwords, at the operator's word."""

    customer_id: str


class RightPassword(Value, frozen=True, kw_only=True):
    """A password was compared and is right."""

    customer_id: str

    number: int
    """Of the try, as it was counted; tries after it may still be wrong."""

    version: int
    """Of the password that was compared; another one may have been set since."""

    new_hash: str = ""
    """Hash of the present profile, if the stored one has another."""

    def __repr__(self) -> str:
        """Leave out the hash."""
        return f"RightPassword(customer_id={self.customer_id!r})"


class UsesPassword(Command, frozen=True, kw_only=True):
    """A command that a password was given for; None where none had to be."""

    password: RightPassword | None = None
