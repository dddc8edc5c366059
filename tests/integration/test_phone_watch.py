"""Watching and answering processes, with questions that a test answers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallymark.v1 import process_pb2
from tallymark_phone.processes import Decision, Process
from tallymark_phone.questions import Answer
from tallymark_phone.repetition import Repetition
from tallymark_phone.server_connection import PhoneConnection
from tallymark_phone.wallet import Wallet
from tallymark_phone.watching import ProcessWatch
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.customer_service import TOKEN, CustomerServiceDouble

FIRST, SECOND = "00" + "a1" * 16, "00" + "a2" * 16
AWAITING = process_pb2.PROCESS_STATE_AWAITING_CUSTOMER
EXPIRED = process_pb2.PROCESS_STATE_EXPIRED
YES = Answer(decision=Decision.APPROVE)


class OpenQuestions:
    """Puts each question to the test, which answers it or sees it given up."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[Process, asyncio.Future[Answer]]] = asyncio.Queue()

    async def ask(self, process: Process) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((process, answer))
        return await answer


class Watching:
    """A watch that runs beside the test."""

    def __init__(self, connection: PhoneConnection, wallet: Wallet) -> None:
        self.wallet = wallet
        self.questions = OpenQuestions()
        self.shown: asyncio.Queue[Process] = asyncio.Queue()
        self.warnings: list[str] = []
        self._watch = ProcessWatch(
            connection=connection,
            wallet=wallet,
            questions=self.questions,
            show=self.shown.put_nowait,
            warn=self.warnings.append,
        )

    def start(self, *, is_once: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(self._watch.run(is_once=is_once))


@pytest.fixture
def double() -> CustomerServiceDouble:
    return CustomerServiceDouble()


@pytest.fixture
async def watching(double: CustomerServiceDouble, tmp_path: Path) -> AsyncIterator[Watching]:
    async def no_pause(seconds: float) -> None:
        pass

    wallet = Wallet(tmp_path / "phone")
    wallet.prepare()
    async with (
        double.served() as address,
        PhoneConnection(
            address, session_token=TOKEN, repetition=Repetition(sleep=no_pause)
        ) as connection,
    ):
        yield Watching(connection, wallet)


def process(
    process_id: str, state: process_pb2.ProcessState.ValueType = AWAITING
) -> process_pb2.Process:
    return process_pb2.Process(process_id=process_id, state=state)


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
    pending = watching.wallet.pending
    with pending.request("ConfirmProcess", FIRST, "approve", "") as request_id:
        pass

    ids = {getattr(call, "request_id", request_id) for call in double.calls}
    assert ids == {request_id}


async def test_the_end_of_the_session_ends_the_watch(
    watching: Watching, double: CustomerServiceDouble
) -> None:
    double.fail_next_with = [Refused(Reason.SESSION_EXPIRED)]

    with pytest.raises(Refused):
        await watching.start()


async def answer_next(watching: Watching) -> None:
    _, answer = await watching.questions.asked.get()
    answer.set_result(YES)
