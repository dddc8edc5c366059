"""Answers to ana's processes that ana's device has not signed so, each by one difference.

Every one stands for somebody between the phone and the rules: what the phone showed, or what it
answered, is not what arrives.
"""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from tallymark_protocol.confirmation import Confirmation, Decision, read_confirmation
from tallymark_server.domain.answers import Answer
from tallymark_server.domain.commands import SignedStatement
from tallymark_server.domain.model.processes import Process
from tests.unit.domain.calls import Calls
from tests.unit.domain.furniture import device_key

__all__ = ["FORGERIES", "Forgery"]

Forgery = Callable[[Calls, Process], Answer]


def _unsigned(world: Calls, process: Process) -> Answer:
    return world.answer(process, None)


def _signed_no(world: Calls, process: Process) -> Answer:
    return world.answer(process, world.signed(process, approve=False))


def _signed_yes(world: Calls, process: Process) -> Answer:
    return world.answer(process, world.signed(process), approve=False)


def _without_digits(world: Calls, process: Process) -> Answer:
    return world.answer(process, world.signed(process), digits="42")


def _by_another_phone(world: Calls, process: Process) -> Answer:
    return world.answer(process, world.signed(process, by="ana-2"), by="ana-1")


def _by_another_algorithm(world: Calls, process: Process) -> Answer:
    signed = world.signed(process)
    if signed is not None:
        other = msgspec.structs.replace(device_key("ana-1"), algorithm=2)
        signed = msgspec.structs.replace(signed, device_key=other)
    return world.answer(process, signed)


def _over(change: Callable[[Confirmation], Confirmation]) -> Forgery:
    def forge(world: Calls, process: Process) -> Answer:
        signed = world.signed(process)
        if signed is not None:
            signed = _with_statement(signed, change)
        return world.answer(process, signed)

    return forge


def _with_statement(
    signed: SignedStatement, change: Callable[[Confirmation], Confirmation]
) -> SignedStatement:
    stated = change(read_confirmation(signed.statement))
    return msgspec.structs.replace(signed, statement=stated.to_bytes())


FORGERIES: dict[str, Forgery] = {
    "no signature that fits": _unsigned,
    "a no sent as a yes": _signed_no,
    "a yes sent as a no": _signed_yes,
    "digits that were not entered": _without_digits,
    "the key of another phone": _by_another_phone,
    "the key of another algorithm": _by_another_algorithm,
    "another process": _over(lambda stated: replace(stated, process_id="07" + "0" * 32)),
    "another merchant": _over(lambda stated: replace(stated, merchant_id="bar")),
    "another name of the merchant": _over(lambda stated: replace(stated, merchant_name="Bar")),
    "another terminal": _over(lambda stated: replace(stated, terminal_id="till-9")),
    "another version of the process": _over(
        lambda stated: replace(stated, process_version=stated.process_version + 1)
    ),
    "another time limit": _over(lambda stated: replace(stated, confirm_by=stated.confirm_by + 1)),
    "one action more": _over(
        lambda stated: replace(stated, actions=(*stated.actions, stated.actions[0]))
    ),
    "no card total, or no sale total": _over(
        lambda stated: (
            replace(stated, card_total=None)
            if stated.card_total
            else replace(stated, decision=Decision.DECLINE)
        )
    ),
}
