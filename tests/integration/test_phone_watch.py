"""Watching and answering processes, with questions that a test answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from google.protobuf.message import Message

from tallymark.v1 import action_pb2, money_pb2, process_pb2
from tallymark.v1 import customer_service_pb2 as pb
from tallymark_phone import watching as watching_module
from tallymark_phone.answering import answer_process, find_process
from tallymark_phone.processes import Decision, Process
from tallymark_phone.questions import Answer, FixedAnswer, QuestionSource
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Wallet
from tallymark_phone.watching import ProcessWatch
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_facts import DEVICE_ID, TOKEN
from tests.doubles.customer_service import CustomerServiceDouble

FIRST, SECOND, THIRD = ("00" + pair * 16 for pair in ("a1", "a2", "a3"))
AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
EXPIRED = process_pb2.PROCESS_STATE_EXPIRED
YES = Answer(decision=Decision.APPROVE)


class OpenQuestions:
    """Puts each question to the test, which answers it or sees it given up."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[Process, asyncio.Future[Answer]]] = asyncio.Queue()

    @property
    def looks_again(self) -> bool:
        return True

    async def ask(self, process: Process) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((process, answer))
        return await answer


class Watching:
    """A watch that runs beside the test."""

    def __init__(self, connection: PhoneConnection, wallet: Wallet) -> None:
        self._connection = connection
        self.wallet = wallet
        self.questions = OpenQuestions()
        self.shown: asyncio.Queue[Process] = asyncio.Queue()
        self.warnings: list[str] = []

    def start(
        self, *, is_once: bool = False, questions: QuestionSource | None = None
    ) -> asyncio.Task[None]:
        watch = ProcessWatch(
            connection=self._connection,
            wallet=self.wallet,
            questions=questions or self.questions,
            show=self.shown.put_nowait,
            warn=self.warnings.append,
        )
        return asyncio.create_task(watch.run(is_once=is_once))


@pytest.fixture
def double() -> CustomerServiceDouble:
    return CustomerServiceDouble()


@pytest.fixture
async def watching(double: CustomerServiceDouble, tmp_path: Path) -> AsyncIterator[Watching]:
    async def no_pause(seconds: float) -> None:
        pass

    wallet = Wallet(tmp_path / "phone")
    wallet.prepare()
    device_key = DevicePrivateKey.generate()
    double.devices.keys[DEVICE_ID] = device_key.public()
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
        yield Watching(connection, wallet)


def process(
    process_id: str, state: process_pb2.ProcessState.ValueType = AWAITING
) -> process_pb2.Process:
    amount = money_pb2.Money(currency_code="EUR", minor_units=990)
    charge = action_pb2.ActionOutcome(
        action=action_pb2.Action(charge=action_pb2.ChargeAction(amount=amount)),
        instruction=action_pb2.Instruction(charge=action_pb2.ChargeInstruction(amount=amount)),
    )
    return process_pb2.Process(
        process_id=process_id,
        state=state,
        version=1,
        merchant_id="cafe",
        merchant_name="Café",
        terminal_id="till-1",
        actions=[charge],
        card_total=amount,
    )


async def test_a_question_is_given_up_when_its_process_has_ended(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.processes = [process(SECOND)]
    await double.happen(process(FIRST))
    run = watching.start(is_once=True)
    _, first_answer = await watching.questions.asked.get()

    await double.happen(process(FIRST, EXPIRED))
    await double.happen(process(SECOND))
    asked, second_answer = await watching.questions.asked.get()
    second_answer.set_result(YES)
    await run

    assert first_answer.cancelled()
    assert asked.process_id == SECOND
    assert double.done["ConfirmProcessRequest"] == 1


async def test_one_process_is_asked_about_at_a_time(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.processes = [process(FIRST), process(SECOND)]
    for waiting in double.processes:
        await double.happen(waiting)
    run = watching.start()

    first, first_answer = await watching.questions.asked.get()
    await watching.shown.get()
    await watching.shown.get()
    assert watching.questions.asked.empty()
    first_answer.set_result(YES)
    second, _ = await watching.questions.asked.get()
    run.cancel()

    assert (first.process_id, second.process_id) == (FIRST, SECOND)


async def test_what_waits_is_not_counted_as_watched(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    await double.happen(process(FIRST, EXPIRED))
    await double.happen(process(SECOND))
    await double.happen(process(FIRST, EXPIRED))
    run = watching.start()

    for _ in range(3):
        await watching.shown.get()
    run.cancel()

    assert watching.wallet.watched_event() == 1


async def test_approving_without_the_digits_is_not_sent(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    waiting = process(FIRST)
    waiting.digits_needed = True
    double.processes = [waiting]
    await double.happen(waiting)
    run = watching.start(is_once=True)

    _, answer = await watching.questions.asked.get()
    answer.set_result(YES)
    await double.happen(waiting)
    _, answer = await watching.questions.asked.get()
    answer.set_result(Answer(decision=Decision.APPROVE, digits="42"))
    await run

    assert double.done["ConfirmProcessRequest"] == 1
    assert "two digits" in watching.warnings[0]


async def test_an_answer_whose_outcome_is_unknown_ends_the_watch_and_is_repeated_by_the_next(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.processes = [process(FIRST)]
    await double.happen(process(FIRST))
    double.lose_answers = 5

    with pytest.raises(UnknownOutcome):
        await asyncio.gather(watching.start(is_once=True), answer_next(watching))
    double.processes = [process(FIRST)]
    await asyncio.gather(watching.start(is_once=True), answer_next(watching))

    answers = [call for call in double.calls if isinstance(call, pb.ConfirmProcessRequest)]
    assert len(answers) == 5 + 1
    assert all(answer == answers[0] for answer in answers)
    assert double.done["ConfirmProcessRequest"] == 1


async def test_what_was_changed_on_the_way_is_refused_shown_again_and_asked_again(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.processes = [process(FIRST)]
    await double.happen(process(FIRST))
    double.on_call = lambda request: raise_price(double, request)
    run = watching.start(is_once=True)

    shown, answer = await watching.questions.asked.get()
    answer.set_result(YES)
    shown_again, answer = await watching.questions.asked.get()
    state_after_the_first = double.processes[0].state
    answer.set_result(YES)
    await run

    assert [str(each.card_total) for each in (shown, shown_again)] == ["9.90 EUR", "99.90 EUR"]
    assert state_after_the_first == AWAITING
    assert double.processes[0].state == process_pb2.PROCESS_STATE_INSTRUCTED
    assert double.done["ConfirmProcessRequest"] == 1
    assert "something else than what was shown" in watching.warnings[0]


async def fetch_and_answer(
    connection: PhoneConnection, wallet: Wallet, process: Process, answer: Answer
) -> Process:
    """Sign what the server says now: the planted bug."""
    now = await find_process(connection, process.process_id)
    return await answer_process(connection, wallet, now, answer)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        pytest.param(answer_process, AWAITING, id="signing what was shown"),
        pytest.param(
            fetch_and_answer, process_pb2.PROCESS_STATE_INSTRUCTED, id="planted: signing what is"
        ),
    ],
)
async def test_nobody_says_yes_to_a_price_that_rose_after_it_was_shown(
    watching: Watching,
    double: CustomerServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[..., Awaitable[Process]],
    state: process_pb2.ProcessState.ValueType,
) -> None:
    monkeypatch.setattr(watching_module, "answer_process", answer)
    double.processes = [process(FIRST)]
    await double.happen(process(FIRST))
    run = watching.start(is_once=True)

    _, yes = await watching.questions.asked.get()
    raise_price(double, pb.ConfirmProcessRequest())
    yes.set_result(YES)
    await watching.shown.get()
    await watching.shown.get()
    run.cancel()

    assert double.processes[0].state == state


async def test_an_answer_given_beforehand_is_not_signed_for_anything_else(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.processes = [process(FIRST)]
    await double.happen(process(FIRST))
    double.on_call = lambda request: raise_price(double, request)

    with pytest.raises(Refused) as refused:
        await watching.start(questions=FixedAnswer(answer=YES))

    assert refused.value.reason is Reason.CONFIRMATION_SIGNATURE_WRONG
    answers = [call for call in double.calls if isinstance(call, pb.ConfirmProcessRequest)]
    assert len(answers) == 1
    assert double.processes[0].state == AWAITING


async def test_what_nobody_can_say_the_meaning_of_is_not_answered(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    unknown, undecided, known = process(FIRST), process(SECOND), process(THIRD)
    unknown.actions[0].ClearField("action")
    unknown.actions[0].ClearField("instruction")
    undecided.actions[0].ClearField("instruction")
    double.processes = [unknown, undecided, known]
    for waiting in double.processes:
        await double.happen(waiting)
    run = watching.start(is_once=True)

    for _ in range(3):
        await answer_next(watching)
    await run

    assert double.done["ConfirmProcessRequest"] == 1
    assert double.processes[2].state == process_pb2.PROCESS_STATE_INSTRUCTED
    assert "this version of the phone" in watching.warnings[0]
    assert "not decided yet" in watching.warnings[1]


async def test_the_end_of_the_session_ends_the_watch(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [Refused(Reason.SESSION_EXPIRED)]

    with pytest.raises(Refused):
        await watching.start()


async def answer_next(watching: Watching) -> None:
    _, answer = await watching.questions.asked.get()
    answer.set_result(YES)


def raise_price(double: CustomerServiceDouble, request: Message) -> None:
    """Take more than the customer saw, once the answer to that is on its way."""
    if not isinstance(request, pb.ConfirmProcessRequest):
        return
    dear = money_pb2.Money(currency_code="EUR", minor_units=9990)
    process = double.processes[0]
    process.card_total.CopyFrom(dear)
    process.actions[0].instruction.charge.amount.CopyFrom(dear)
