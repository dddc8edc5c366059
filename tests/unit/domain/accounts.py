"""What customers ask about their devices, sessions and passwords, each in a line."""

from tallymark_server.domain import commands
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import Caller, RightPassword
from tallymark_server.domain.model.merchants import CallerKind
from tests.unit.domain.furniture import DEVICES, PARTITION, device_key
from tests.unit.domain.small_world import OPERATOR, SmallWorld, device_caller

__all__ = ["AccountWorld"]

_ANYONE = Caller(kind=CallerKind.ANYONE, caller_id="anyone")


class AccountWorld(SmallWorld):
    """The small world, with its customers' accounts at hand."""

    def sign_in(self, token: str, *, device_id: str = "ana-1", customer_id: str = "ana") -> Answer:
        return self.ask(
            commands.OpenSession(
                caller=_ANYONE,
                partition=PARTITION,
                password=self.right(customer_id),
                customer_id=customer_id,
                device_id=device_id,
                token_hash=token,
            )
        )

    def invite(self, code: str, *, by: str = "ana-1") -> Answer:
        """Ask on a phone for an invitation, or, by "root", as the operator for ana."""
        return self.ask(
            commands.InviteDevice(
                caller=OPERATOR if by == "root" else device_caller(by),
                partition=PARTITION,
                customer_id=DEVICES.get(by, "ana"),
                code_hash=code,
            )
        )

    def add(self, device_id: str, invitation: str, *, customer_id: str = "ana") -> Answer:
        return self.ask(
            commands.AddDevice(
                caller=_ANYONE,
                partition=PARTITION,
                password=self.right(customer_id),
                customer_id=customer_id,
                invitation_hash=invitation,
                device_id=device_id,
                device_name="phone",
                device_key=device_key(device_id),
                token_hash=f"token-of-{device_id}",
            )
        )

    def remove(self, device_id: str, *, by: str = "ana-1") -> Answer:
        return self.ask(
            commands.RemoveDevice(
                caller=device_caller(by), partition=PARTITION, device_id=device_id
            )
        )

    def revoke(self, device_id: str, *, customer_id: str = "ana") -> Answer:
        return self.ask(
            commands.RevokeDevice(
                caller=OPERATOR,
                partition=PARTITION,
                customer_id=customer_id,
                device_id=device_id,
            )
        )

    def change_password(self, *, session: str, version: int = 0) -> Answer:
        caller = device_caller("ana-1")
        return self.ask(
            commands.ChangePassword(
                caller=Caller(
                    kind=caller.kind,
                    caller_id=caller.caller_id,
                    device_id=caller.device_id,
                    session=session,
                ),
                partition=PARTITION,
                password=RightPassword(customer_id="ana", number=1, version=version),
                password_hash="new hash",
            )
        )

    @staticmethod
    def right(customer_id: str) -> RightPassword:
        return RightPassword(customer_id=customer_id, number=1, version=0)
