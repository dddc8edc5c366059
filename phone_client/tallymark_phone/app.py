"""Builds the phone: READ FIRST to see what there is and what it is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import platformdirs
from rich.console import Console

from tallymark_phone.clock import Clock, PhoneClock
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.wallet import Account, Wallet

__all__ = ["HOME_VARIABLE", "OtherCustomersPhone", "Phone", "PhoneIsNobodys"]

HOME_VARIABLE = "TALLYMARK_PHONE_HOME"
"""Environment variable with the phone's folder, for more than one phone on a computer."""


class PhoneIsNobodys(Exception):
    """The phone has no account or no session, so it cannot speak for anybody."""


class OtherCustomersPhone(Exception):
    """The phone has an account already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Phone:
    """Everything that a command works with."""

    wallet: Wallet
    console: Console
    clock: Clock
    repetition: Repetition

    @classmethod
    def build(cls, home: Path | None) -> Self:
        """Build the phone whose folder this is; without one, that of the user."""
        folder = home or Path(platformdirs.user_data_dir("tallymark-phone", appauthor=False))
        return cls(
            wallet=Wallet(folder),
            console=Console(highlight=False, markup=False, emoji=False),
            clock=PhoneClock(),
            repetition=Repetition(),
        )

    def account(self) -> Account:
        """Return whose phone this is; raises PhoneIsNobodys, FolderTooOpen, WalletDamaged."""
        self.wallet.prepare()
        account = self.wallet.account()
        if account is None:
            message = "This phone is nobody's yet. Use `register` or `add-device` first."
            raise PhoneIsNobodys(message)
        return account

    def check_is_nobodys(self) -> None:
        """Raise OtherCustomersPhone if the phone has an account; raises as `account` too."""
        self.wallet.prepare()
        account = self.wallet.account()
        if account:
            message = (
                f"This phone is {account.login_name}'s. Use `sign-in` to open a session, or another"
                f" folder (--home) for another customer."
            )
            raise OtherCustomersPhone(message)

    def connect(self, server: str) -> PhoneConnection:
        """Return a connection without a session, for opening one."""
        return PhoneConnection(server, repetition=self.repetition)

    def connect_signed_in(self) -> PhoneConnection:
        """Return a connection that speaks for the customer.

        Raises:
            PhoneIsNobodys: no account, or not signed in.

        """
        account, session = self.account(), self.wallet.session()
        if session is None:
            message = "This phone is signed out. Use `sign-in` first."
            raise PhoneIsNobodys(message)
        return PhoneConnection(
            account.server, session_token=session.token, repetition=self.repetition
        )
