"""Builds the phone: READ FIRST to see what there is and what it is given."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import platformdirs
from rich.console import Console

from tallymark_phone.checkpoint_book import CheckpointsDamaged
from tallymark_phone.clock import Clock, PhoneClock, wall_time
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Account, Wallet
from tallymark_protocol.device_key import DevicePrivateKey

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
    wall_time: Callable[[], datetime] = wall_time

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

    def device_key(self) -> DevicePrivateKey:
        """Return the key of this phone; raises PhoneIsNobodys, WalletDamaged."""
        device_key = self.wallet.device_key()
        if device_key is None:
            message = (
                "The key of this phone is gone, so it is nobody's. Remove account.json, and use"
                " `add-device` with an invitation."
            )
            raise PhoneIsNobodys(message)
        return device_key

    def connect(
        self, server: str, *, trust: Trust, device_key: DevicePrivateKey, session_token: str = ""
    ) -> PhoneConnection:
        """Return a connection, without a session for opening one."""
        return PhoneConnection(
            server,
            device_key=device_key,
            session_token=session_token,
            trust=trust,
            repetition=self.repetition,
            on_checkpoint=self._note_checkpoint,
            witness=self.wallet.witness(),
        )

    def connect_signed_in(self) -> PhoneConnection:
        """Return a connection that speaks for the customer.

        Raises:
            PhoneIsNobodys: no account, or not signed in.

        """
        account, session = self.account(), self.wallet.session()
        if session is None:
            message = "This phone is signed out. Use `sign-in` first."
            raise PhoneIsNobodys(message)
        return self.connect(
            account.server,
            trust=self.wallet.trust(),
            device_key=self.device_key(),
            session_token=session.token,
        )

    def _note_checkpoint(self, text: str) -> None:
        """Note a checkpoint; a call does not fail because of a note, `checkpoints` tells why."""
        with suppress(CheckpointsDamaged, OSError):
            self.wallet.checkpoints.note(text, seen_at=self.wall_time())
