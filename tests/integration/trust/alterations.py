"""Somebody between the phone and the server, who changes what is shown or what is answered.

Ana has two phones, with keys of either algorithm, and several sales wait for her answer. She says
yes, or no, to what she sees, and her phone signs that. What arrives at the server differs from it
in one thing. Everything else is as it should be: the session is Ana's own, and the answer in time.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import money_pb2
from tallymark.v1 import process_pb2 as p
from tallymark_protocol.confirmation import Decision
from tallymark_protocol.confirmation_messages import confirmation_of
from tests.world.messages import new_id
from tests.world.phone import Phone

__all__ = ["ALTERATIONS", "Alteration", "Scene", "signature_over"]


class Scene(NamedTuple):
    """One answer that is about to be given."""

    shown: p.Process
    """What waits, as the server would show it."""

    other: p.Process
    """Something else that waits at the same time."""

    phone: Phone
    """The phone in Ana's hand."""

    other_phone: Phone
    """Ana's other phone, with a key of the other algorithm."""

    stranger: Phone
    """Somebody else's."""

    approve: bool
    random: Random


Alteration = Callable[[Scene], c.ConfirmProcessRequest]


def signature_over(
    phone: Phone, shown: p.Process, *, approve: bool = True, digits: str = ""
) -> bytes:
    """Return what the phone signs when its owner answers to what is shown."""
    decision = Decision.APPROVE if approve else Decision.DECLINE
    return phone.device_key.sign(confirmation_of(shown, decision, digits).to_bytes())


def _answer(scene: Scene, signature: bytes, **more: str) -> c.ConfirmProcessRequest:
    return c.ConfirmProcessRequest(
        request_id=new_id(),
        process_id=scene.shown.process_id,
        decision=c.DECISION_APPROVE if scene.approve else c.DECISION_DECLINE,
        signature=signature,
        **more,
    )


def _shown_as(change: Callable[[p.Process, Random], None]) -> Alteration:
    """Change what the phone shows, and so signs; the answer goes through as it was given."""

    def alter(scene: Scene) -> c.ConfirmProcessRequest:
        altered = p.Process()
        altered.CopyFrom(scene.shown)
        change(altered, scene.random)
        assert altered != scene.shown, "something is changed"
        return _answer(scene, signature_over(scene.phone, altered, approve=scene.approve))

    return alter


# Amounts

_AMOUNTS: Mapping[str, Callable[[p.Process], money_pb2.Money]] = {
    "sale total": lambda shown: shown.sale_total,
    "card total": lambda shown: shown.card_total,
    "charge": lambda shown: _instruction(shown, "charge").charge.amount,
    "bill": lambda shown: _instruction(shown, "pay_bill").pay_bill.amount,
    "worth of the points": lambda shown: _instruction(shown, "burn_points").burn_points.value,
}


def _instruction(shown: p.Process, kind: str) -> a.Instruction:
    return next(
        one.instruction for one in shown.actions if one.instruction.WhichOneof("kind") == kind
    )


def _by_one(amount: Callable[[p.Process], money_pb2.Money], step: int) -> Alteration:
    def change(shown: p.Process, _: Random) -> None:
        amount(shown).minor_units += step

    return _shown_as(change)


def _in_dollars(amount: Callable[[p.Process], money_pb2.Money]) -> Alteration:
    def change(shown: p.Process, _: Random) -> None:
        amount(shown).currency_code = "USD"

    return _shown_as(change)


# Everything else that is shown


def _text(place: Callable[[p.Process], object], field: str, *others: str) -> Alteration:
    def change(shown: p.Process, random: Random) -> None:
        setattr(place(shown), field, random.choice(others))

    return _shown_as(change)


def _number(place: Callable[[p.Process], object], field: str) -> Alteration:
    def change(shown: p.Process, random: Random) -> None:
        target = place(shown)
        setattr(target, field, getattr(target, field) + random.choice((-1, 1)))

    return _shown_as(change)


def _two_actions_swapped(shown: p.Process, random: Random) -> None:
    first, second = random.sample(range(len(shown.actions)), 2)
    actions = list(shown.actions)
    actions[first], actions[second] = actions[second], actions[first]
    del shown.actions[:]
    shown.actions.extend(actions)


def _an_action_less(shown: p.Process, random: Random) -> None:
    del shown.actions[random.randrange(len(shown.actions))]


def _an_action_more(shown: p.Process, random: Random) -> None:
    shown.actions.append(random.choice(shown.actions))


def _another_time_limit(shown: p.Process, random: Random) -> None:
    milliseconds = shown.confirm_by.ToMilliseconds() + random.choice((-1, 1, 1_000))
    shown.confirm_by.FromMilliseconds(milliseconds)


def _no_time_limit(shown: p.Process, _: Random) -> None:
    shown.ClearField("confirm_by")


def _no_sale_total(shown: p.Process, _: Random) -> None:
    shown.ClearField("sale_total")


def _contested(shown: p.Process, _: Random) -> None:
    shown.state = p.PROCESS_STATE_CONTESTED


# The answer


def _decision_flipped(scene: Scene) -> c.ConfirmProcessRequest:
    return _answer(scene, signature_over(scene.phone, scene.shown, approve=not scene.approve))


def _swapped_with_another_sale(scene: Scene) -> c.ConfirmProcessRequest:
    return _answer(scene, signature_over(scene.phone, scene.other, approve=scene.approve))


def _digits_added(scene: Scene) -> c.ConfirmProcessRequest:
    signature = signature_over(scene.phone, scene.shown, approve=scene.approve)
    return _answer(scene, signature, confirmation_digits=f"{scene.random.randrange(100):02d}")


def _digits_taken_away(scene: Scene) -> c.ConfirmProcessRequest:
    digits = f"{scene.random.randrange(100):02d}"
    return _answer(
        scene, signature_over(scene.phone, scene.shown, approve=scene.approve, digits=digits)
    )


# The signature


def _by_the_other_phone(scene: Scene) -> c.ConfirmProcessRequest:
    return _answer(scene, signature_over(scene.other_phone, scene.shown, approve=scene.approve))


def _by_a_stranger(scene: Scene) -> c.ConfirmProcessRequest:
    return _answer(scene, signature_over(scene.stranger, scene.shown, approve=scene.approve))


def _bit_flipped(scene: Scene) -> c.ConfirmProcessRequest:
    signature = bytearray(signature_over(scene.phone, scene.shown, approve=scene.approve))
    place = scene.random.randrange(8 * len(signature))
    signature[place // 8] ^= 1 << place % 8
    return _answer(scene, bytes(signature))


def _cut_or_lengthened(scene: Scene) -> c.ConfirmProcessRequest:
    signature = signature_over(scene.phone, scene.shown, approve=scene.approve)
    return _answer(scene, scene.random.choice((signature[:-1], signature[1:], signature + b"\0")))


def _made_up(scene: Scene) -> c.ConfirmProcessRequest:
    return _answer(scene, scene.random.randbytes(64))


def _over_the_process_id(scene: Scene) -> c.ConfirmProcessRequest:
    return _answer(scene, scene.phone.device_key.sign(scene.shown.process_id.encode()))


_ITSELF: Callable[[p.Process], object] = lambda shown: shown  # noqa: E731 -- one of many places

ALTERATIONS: Mapping[str, Alteration] = {
    **{f"{name} one more": _by_one(amount, 1) for name, amount in _AMOUNTS.items()},
    **{f"{name} one less": _by_one(amount, -1) for name, amount in _AMOUNTS.items()},
    **{f"{name} in dollars": _in_dollars(amount) for name, amount in _AMOUNTS.items()},
    "merchant": _text(_ITSELF, "merchant_id", "hall", "cafe-2"),
    "name of the merchant": _text(_ITSELF, "merchant_name", "Hall", "cafe", "Cafe "),
    "terminal": _text(_ITSELF, "terminal_id", "till-2", "gate-1"),
    "process": _text(_ITSELF, "process_id", "00" + "f" * 32),
    "bill": _text(
        lambda shown: _instruction(shown, "pay_bill").pay_bill, "bill_reference", "B-99", "b-1"
    ),
    "ticket": _text(lambda shown: _instruction(shown, "admit").admit, "ticket_id", "A-99"),
    "event": _text(lambda shown: _instruction(shown, "admit").admit, "event_id", "opera"),
    "programme": _text(
        lambda shown: _instruction(shown, "burn_points").burn_points, "programme_id", "nuts"
    ),
    "points spent": _number(lambda shown: _instruction(shown, "burn_points").burn_points, "points"),
    "points earned": _number(
        lambda shown: _instruction(shown, "earn_points").earn_points, "points"
    ),
    "two actions swapped": _shown_as(_two_actions_swapped),
    "an action less": _shown_as(_an_action_less),
    "an action more": _shown_as(_an_action_more),
    "time limit": _shown_as(_another_time_limit),
    "no time limit": _shown_as(_no_time_limit),
    "no sale total": _shown_as(_no_sale_total),
    "state": _shown_as(_contested),
    "version": _number(_ITSELF, "version"),
    "decision flipped": _decision_flipped,
    "swapped with another sale": _swapped_with_another_sale,
    "digits added": _digits_added,
    "digits taken away": _digits_taken_away,
    "signed by the other phone, with the other algorithm": _by_the_other_phone,
    "signed by a stranger": _by_a_stranger,
    "signature with a bit flipped": _bit_flipped,
    "signature cut or lengthened": _cut_or_lengthened,
    "signature made up": _made_up,
    "signature over the process id": _over_the_process_id,
}
"""What happens on the way, by name."""
