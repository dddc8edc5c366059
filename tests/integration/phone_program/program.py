"""The phone's command line as a customer uses it, for tests."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark_phone.app import Phone
from tallymark_phone.main import commands
from tallymark_phone.repetition import Repetition
from tests.doubles.customer_facts import NOW, PASSWORD, TOKEN, stamp
from tests.doubles.customer_service import CustomerServiceDouble
from tests.doubles.known_devices import INVITATION

__all__ = ["CARD_NUMBER", "NUMBER_CODE", "PROCESS_ID", "PhoneProgram", "awaiting"]

PROCESS_ID = "00" + "a1" * 16
CARD_NUMBER = "4111111111111111"
NUMBER_CODE = "846213"


class PhoneProgram:
    """Runs commands on one phone, beside a double of its server, without pauses between repeats."""

    def __init__(self, folder: Path, *, double: CustomerServiceDouble, address: str) -> None:
        self.home = folder / "phone"
        self.double = double
        self.address = address
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_text(double.authority.certificate_pem, "ascii")

    async def run(self, *arguments: str, stdin: str = "", **environment: str | None) -> Result:
        """Run a command in a thread of its own; none ends in a traceback or prints a secret."""

        async def no_pause(seconds: float) -> None:
            pass

        phone = replace(Phone.build(self.home), repetition=Repetition(sleep=no_pause))
        variables = {
            "COLUMNS": "160",
            "TALLYMARK_CA_FILE": str(self.ca_file),
            "TALLYMARK_INVITATION": INVITATION,
            "TALLYMARK_NUMBER_CODE": NUMBER_CODE,
            "TALLYMARK_PASSWORD": PASSWORD,
            **environment,
        }
        result = await asyncio.to_thread(
            CliRunner().invoke, commands, arguments, obj=phone, input=stdin, env=variables
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        for secret in self.secrets() - ({INVITATION} if arguments[:1] == ("invite",) else set()):
            assert secret not in result.output
        return result

    async def register(self) -> None:
        """Make it ana's phone."""
        result = await self.run("register", "ana", "--server", self.address)
        assert result.exit_code == 0, result.output
        self.double.calls.clear()

    def secrets(self) -> set[str]:
        """Return everything that no output may have in it."""
        keys = [
            line
            for path in self.home.rglob("*.pem")
            if path.name != "ca.pem"
            for line in path.read_text("ascii").splitlines()
        ]
        return {CARD_NUMBER, INVITATION, NUMBER_CODE, PASSWORD, TOKEN, "TM1:", *keys}

    def kept(self, name: str) -> Any:
        """Return what one of the phone's JSON files has in it."""
        return json.loads((self.home / name).read_bytes())

    def everything_kept(self) -> bytes:
        """Return the content of all of the phone's files."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in files)


def awaiting(
    *, version: int = 1, is_digits_needed: bool = False, process_id: str = PROCESS_ID
) -> process_pb2.Process:
    """Return a charge of 9.90 EUR that waits for the customer."""
    amount = money_pb2.Money(currency_code="EUR", minor_units=990)
    charge = action_pb2.ChargeInstruction(amount=amount, card_brand="VISA", card_last_four="1111")
    return process_pb2.Process(
        process_id=process_id,
        state=process_pb2.PROCESS_STATE_AWAITING_CUSTOMER,
        version=version,
        merchant_id="cafe",
        merchant_name="Café",
        terminal_id="till-1",
        actions=[
            action_pb2.ActionOutcome(
                action=action_pb2.Action(charge=action_pb2.ChargeAction(amount=amount)),
                instruction=action_pb2.Instruction(charge=charge),
            )
        ],
        card_total=amount,
        digits_needed=is_digits_needed,
        created_at=stamp(NOW),
    )
