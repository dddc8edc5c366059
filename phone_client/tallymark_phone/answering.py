"""Answer processes: find them, sign what was shown, send it, and repeat it when the answer is lost.

What is signed is the value that was shown. Nothing is fetched in between, so nothing can be put in
its place: if the server would do something else by now, it refuses the signature, and the customer
looks at the process again.
"""

import json
from contextlib import aclosing
from typing import Final

from tallymark_phone.processes import Decision, Process, SignedAnswer
from tallymark_phone.questions import Answer
from tallymark_phone.server_connection import PAGE_SIZE, PhoneConnection
from tallymark_phone.wallet import Wallet
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason

__all__ = [
    "LOOKED_THROUGH_MAX",
    "answer_process",
    "find_process",
    "newest_processes",
    "repeat_answer",
]

LOOKED_THROUGH_MAX: Final = 200
"""Processes to look through for one to answer; it is one of the newest."""

_REQUEST: Final = "ConfirmProcess"


async def answer_process(
    connection: PhoneConnection, wallet: Wallet, process: Process, answer: Answer
) -> Process:
    """Sign the answer to a process as it was shown, send it, and return the process after it.

    Raises:
        TallymarkError: the server refuses, or nobody knows what became of the answer.
        CannotAnswer: nobody can say what the answer would mean.

    """
    signed = connection.sign_answer(process, answer.decision, digits=answer.digits)
    return await _send(connection, wallet, signed)


async def repeat_answer(
    connection: PhoneConnection, wallet: Wallet, process_id: str, decision: Decision | None
) -> Process | None:
    """Send an answer again whose outcome is unknown, and return the process after it.

    None if there is none to this process, or none with this decision. It was signed when the
    process was shown, and is not signed again.
    """
    content = wallet.pending.unanswered_content(_REQUEST, process_id)
    if content is None:
        return None
    signed = _from_content(process_id, content)
    if decision not in {None, signed.decision}:
        return None
    return await _send(connection, wallet, signed)


async def newest_processes(connection: PhoneConnection, limit: int) -> list[Process]:
    """Return the newest processes, newest first."""
    newest: list[Process] = []
    async with aclosing(connection.list_processes(page_size=min(limit, PAGE_SIZE))) as found:
        async for process in found:
            newest.append(process)
            if len(newest) == limit:
                break
    return newest


async def find_process(connection: PhoneConnection, process_id: str) -> Process:
    """Return a process as it is now; raises Refused if it is not one of the newest."""
    for process in await newest_processes(connection, LOOKED_THROUGH_MAX):
        if process.process_id == process_id:
            return process
    raise Refused(Reason.PROCESS_NOT_FOUND)


async def _send(connection: PhoneConnection, wallet: Wallet, signed: SignedAnswer) -> Process:
    content = _to_content(signed)
    with wallet.pending.request(_REQUEST, signed.process_id, content=content) as request_id:
        return await connection.confirm_process(signed, request_id=request_id)


def _to_content(signed: SignedAnswer) -> str:
    return json.dumps([signed.decision.value, signed.digits, signed.signature.hex()])


def _from_content(process_id: str, content: str) -> SignedAnswer:
    decision, digits, signature = json.loads(content)
    return SignedAnswer(
        process_id=process_id,
        decision=Decision(decision),
        digits=digits,
        signature=bytes.fromhex(signature),
    )
