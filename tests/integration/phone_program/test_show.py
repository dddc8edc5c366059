"""Codes on the screen until a terminal takes one, and what the customer is told then."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.message import Message
from rich.console import Console

from tallymark.v1 import customer_service_pb2 as pb
from tallymark.v1 import money_pb2, process_pb2
from tallymark_phone.clock import PhoneClock
from tallymark_phone.questions import TerminalQuestions
from tallymark_phone.registrations import CodeChoice
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.showing import CodeShow
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Wallet
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import NotDone, Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_facts import DEVICE_ID, NOW, TOKEN, stamp
from tests.doubles.customer_service import CustomerServiceDouble
from tests.unit.phone.keyboard import Keyboard

from .program import PROCESS_ID, awaiting

DEADLINE_SECONDS = 20.0
"""Never reached by a test that passes."""

ATTEMPTS = Repetition().attempts_max

PICTURE = "▀"
HOME = "\x1b[H"
CODES_BEGIN, CODES_END = "\x1b[?1049h", "\x1b[?1049l"
"""The terminal's other screen is entered and left: nothing of it stays."""

ENTER = "Enter shows another code"


class Screen(io.StringIO):
    """A terminal's screen that a test waits on."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()
        self._looked_at = 0

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def shows(self, text: str) -> str:
        """Wait for a text, and return what was written since the last one, up to its end."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (found := self.getvalue().find(text, self._looked_at)) < 0:
                self._written.clear()
                await self._written.wait()
        begin, self._looked_at = self._looked_at, found + len(text)
        return self.getvalue()[begin : self._looked_at]


class HastyClock(PhoneClock):
    """Sleeps only long enough to let others do something."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.01))


class Shown:
    """A screen with codes, its keyboard, and the task that shows them."""

    def __init__(self, screen: Screen, keyboard: Keyboard, task: asyncio.Task[None]) -> None:
        self.screen = screen
        self.keyboard = keyboard
        self.task = task


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    with ExitStack() as stack:
        keyboard = Keyboard(stack)
        monkeypatch.setattr("sys.stdin", keyboard.stdin)
        yield keyboard


@asynccontextmanager
async def showing(
    double: CustomerServiceDouble, folder: Path, keyboard: Keyboard, *, is_attended: bool = True
) -> AsyncIterator[Shown]:
    async def no_pause(seconds: float) -> None:
        pass

    wallet, device_key, screen = Wallet(folder / "phone"), DevicePrivateKey.generate(), Screen()
    wallet.prepare()
    double.devices.keys[DEVICE_ID] = device_key.public()
    console = Console(
        file=screen, force_terminal=True, color_system="256", width=100, height=40, markup=False
    )
    async with (
        double.served() as address,
        PhoneConnection(
            address,
            device_key=device_key,
            session_token=TOKEN,
            trust=Trust(ca_certificates_pem=double.authority.certificate_pem),
            repetition=Repetition(sleep=no_pause),
        ) as connection,
    ):
        show = CodeShow(
            connection=connection,
            wallet=wallet,
            console=console,
            clock=HastyClock(),
            choice=CodeChoice(),
            password="",
            questions=TerminalQuestions(console) if is_attended else None,
        )
        task = asyncio.create_task(show.run())
        try:
            yield Shown(screen, keyboard, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def shown(
    double: CustomerServiceDouble, keyboard: Keyboard, tmp_path: Path
) -> AsyncIterator[Shown]:
    async with showing(double, tmp_path, keyboard) as shown:
        yield shown


def taken(
    state: process_pb2.ProcessState.ValueType = process_pb2.PROCESS_STATE_INSTRUCTED,
    *,
    version: int = 1,
) -> process_pb2.Process:
    """Return a process that a terminal began with a code, and that needs no yes."""
    process = awaiting(version=version)
    process.state = state
    return process


def earlier() -> process_pb2.Process:
    """Return a process that began before any code was shown."""
    process = taken()
    process.process_id = "00" + "a2" * 16
    process.merchant_name = "Yesterday"
    process.created_at.CopyFrom(stamp(NOW - timedelta(days=1)))
    return process


def answers(double: CustomerServiceDouble) -> list[pb.ConfirmProcessRequest]:
    return [call for call in double.calls if isinstance(call, pb.ConfirmProcessRequest)]


def issued(double: CustomerServiceDouble) -> int:
    return double.done["IssueCodeRequest"]


async def test_a_claim_is_told_at_once_the_picture_goes_and_enter_shows_another_code(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    assert PICTURE in await shown.screen.shows("good for")

    await double.happen(taken())
    await shown.screen.shows(CODES_END)
    told = await shown.screen.shows(ENTER)

    # Emptied too, for terminals that have no other screen to go back to.
    codes, _, _ = shown.screen.getvalue().partition(CODES_END)
    assert PICTURE not in codes.rpartition(HOME)[2]

    assert "Café, till-1: 9.90 EUR" in told
    assert f"Not you? tallymark-phone dispute {PROCESS_ID}" in told
    assert PICTURE not in told
    assert issued(double) == double.done["RevokeCodeRequest"] == 1
    shown.keyboard.type("\n")
    assert PICTURE in await shown.screen.shows("good for")
    assert issued(double) == 2


async def test_a_yes_that_is_needed_is_asked_for_and_signed_on_the_spot(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    await shown.screen.shows("good for")
    double.processes = [awaiting(is_digits_needed=True)]

    await double.happen(awaiting(is_digits_needed=True))
    told = await shown.screen.shows("Do you want this?")
    shown.keyboard.type("y\n")
    await shown.screen.shows("two digits")
    shown.keyboard.type("42\n")
    after = await shown.screen.shows(ENTER)

    assert "charge 9.90 EUR" in told
    assert "instructed" in after
    assert double.done["ConfirmProcessRequest"] == 1


async def test_what_was_changed_on_the_way_is_told_again_and_asked_again(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    def raise_price(request: Message) -> None:
        if isinstance(request, pb.ConfirmProcessRequest):
            dear = money_pb2.Money(currency_code="EUR", minor_units=9990)
            double.processes[0].card_total.CopyFrom(dear)

    await shown.screen.shows("good for")
    double.processes = [awaiting()]
    double.on_call = raise_price
    await double.happen(awaiting())

    first = await shown.screen.shows("Do you want this?")
    shown.keyboard.type("y\n")
    second = await shown.screen.shows("Do you want this?")
    shown.keyboard.type("n\n")
    await shown.screen.shows("declined")

    assert "your card pays 9.90 EUR" in first
    assert "Nothing was done" in second
    assert "your card pays 99.90 EUR" in second
    assert double.done["ConfirmProcessRequest"] == 1


async def test_what_nobody_can_say_the_meaning_of_is_not_answered(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    undecided = awaiting()
    undecided.actions[0].ClearField("instruction")
    await shown.screen.shows("good for")
    await double.happen(undecided)

    await shown.screen.shows("Do you want this?")
    shown.keyboard.type("y\n")

    assert "not decided yet" in await shown.screen.shows(ENTER)
    assert not answers(double)


async def test_a_question_goes_when_its_process_has_ended(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    await shown.screen.shows("good for")
    await double.happen(awaiting())
    await shown.screen.shows("Do you want this?")

    await double.happen(taken(process_pb2.PROCESS_STATE_EXPIRED, version=2))

    assert "Café, till-1: 9.90 EUR" in await shown.screen.shows("expired")
    await shown.screen.shows(ENTER)
    assert not double.done["ConfirmProcessRequest"]


async def test_an_answer_that_was_lost_is_asked_for_again_and_is_the_same_request(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    def lose(request: Message) -> None:
        if isinstance(request, pb.ConfirmProcessRequest) and len(answers(double)) <= ATTEMPTS:
            double.lose_answers = 1

    await shown.screen.shows("good for")
    double.processes = [awaiting()]
    double.on_call = lose
    await double.happen(awaiting())
    for _ in range(2):
        await shown.screen.shows("Do you want this?")
        shown.keyboard.type("y\n")
    await shown.screen.shows("instructed")

    sent = answers(double)
    assert len(sent) == ATTEMPTS + 1
    assert all(answer == sent[0] for answer in sent)


async def test_how_it_ended_is_told_beside_the_next_code_and_leaves_that_on_the_screen(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    await shown.screen.shows("good for")
    await double.happen(taken())
    await shown.screen.shows(ENTER)
    shown.keyboard.type("\n")
    await shown.screen.shows(CODES_BEGIN)
    await shown.screen.shows("good for")

    await double.happen(taken(process_pb2.PROCESS_STATE_COMPLETED, version=2))
    beside = await shown.screen.shows("completed")

    assert CODES_END not in beside
    assert "Café, till-1: 9.90 EUR" in beside


async def test_a_change_that_means_nothing_to_the_customer_is_not_told(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    await shown.screen.shows("good for")
    await double.happen(taken())
    await shown.screen.shows(ENTER)
    for version in (2, 3, 3):
        await double.happen(taken(process_pb2.PROCESS_STATE_COMPLETED, version=version))

    await shown.screen.shows("completed")
    await double.happen(taken(process_pb2.PROCESS_STATE_CONTESTED, version=4))

    assert "completed" not in await shown.screen.shows("contested")


async def test_what_wants_the_customer_again_takes_the_next_code_from_the_screen(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    await shown.screen.shows("good for")
    await double.happen(taken())
    await shown.screen.shows(ENTER)
    shown.keyboard.type("\n")
    await shown.screen.shows("good for")

    await double.happen(taken(process_pb2.PROCESS_STATE_CONTESTED, version=2))

    await shown.screen.shows(CODES_END)
    await shown.screen.shows("Another terminal has shown the same code")


async def test_what_began_before_is_not_told(shown: Shown, double: CustomerServiceDouble) -> None:
    await shown.screen.shows("good for")

    await double.happen(earlier())
    await double.happen(taken())

    await shown.screen.shows(ENTER)
    assert "Yesterday" not in shown.screen.getvalue()


async def test_a_claim_is_heard_of_after_the_network_was_away_for_long(
    shown: Shown, double: CustomerServiceDouble
) -> None:
    heard_again = asyncio.Event()

    def note(request: Message) -> None:
        if isinstance(request, pb.WatchProcessesRequest) and not double.fail_next_with:
            heard_again.set()

    await shown.screen.shows("good for")
    double.fail_next_with = [NotDone(Reason.STORE_FAILED)] * (ATTEMPTS + 2)
    double.on_call = note
    double.end_streams = 1
    await double.happen(earlier())
    await asyncio.wait_for(heard_again.wait(), DEADLINE_SECONDS)

    await double.happen(taken())

    await shown.screen.shows("Café, till-1: 9.90 EUR")


async def test_without_a_keyboard_it_ends_when_a_code_was_taken(
    double: CustomerServiceDouble, keyboard: Keyboard, tmp_path: Path
) -> None:
    async with showing(double, tmp_path, keyboard, is_attended=False) as shown:
        await shown.screen.shows("good for")
        await double.happen(awaiting())
        await asyncio.wait_for(shown.task, DEADLINE_SECONDS)

        told = await shown.screen.shows(f"tallymark-phone confirm {PROCESS_ID}")
        assert "Café, till-1: 9.90 EUR" in told
        assert issued(double) == double.done["RevokeCodeRequest"] == 1


async def test_a_refusal_ends_it(
    double: CustomerServiceDouble, keyboard: Keyboard, tmp_path: Path
) -> None:
    double.fail_next_with = [Refused(Reason.TAG_INVALID)] * 9

    async with showing(double, tmp_path, keyboard) as shown:
        with pytest.raises(Refused) as refused:
            await asyncio.wait_for(shown.task, DEADLINE_SECONDS)

    assert refused.value.reason is Reason.TAG_INVALID


async def test_leaving_takes_the_codes_back(shown: Shown, double: CustomerServiceDouble) -> None:
    await shown.screen.shows("good for")

    shown.task.cancel()
    await asyncio.gather(shown.task, return_exceptions=True)

    assert double.done["RevokeCodeRequest"] == 1
    assert CODES_END in shown.screen.getvalue()
