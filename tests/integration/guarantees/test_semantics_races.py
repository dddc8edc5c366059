"""A customer takes something back in the moment of a scan: one of the two wins, and both hear it.

Resolving against reversing is raced in test_races.py; here it is the phone that takes back.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallymark.v1 import action_pb2 as a
from tallymark.v1 import customer_service_pb2 as c
from tallymark.v1 import process_pb2 as p
from tallymark_server.domain import codes, customers
from tests.doubles.mutant import Mutant, plant
from tests.proof import Proof
from tests.world.actions import burn, charge
from tests.world.messages import new_id
from tests.world.shop import Shop

pytestmark = pytest.mark.guarantee

Seen = Counter[tuple[str, str]]
"""How often what the phone heard met what the till heard."""

KEPT = Mutant(
    customers,
    "remove_card",
    "draft.put(msgspec.structs.replace(customer, cards=left))",
    "draft.put(customer)",
)
"""The phone hears that the card is gone, and it stays."""


async def together(number: int, phone: Awaitable[Any], till: Awaitable[Any]) -> tuple[Any, Any]:
    """Let both call at once, every other time in the other order."""
    if number % 2:
        till_heard, phone_heard = await asyncio.gather(till, phone)
    else:
        phone_heard, till_heard = await asyncio.gather(phone, till)
    return phone_heard, till_heard


async def revoke_code(shop: Shop, number: int) -> tuple[str, str]:
    """Let the phone take its code back; say how many it took, and what the till heard."""
    code = await shop.phone.issue()
    taken_back, heard = await together(
        number,
        shop.phone.call("RevokeCode", c.RevokeCodeRequest(request_id=new_id())),
        shop.till.reason("ResolveCode", shop.till.resolve_request(code, burn(1))),
    )
    return f"{taken_back.codes_revoked} taken back", heard


async def remove_card(shop: Shop, number: int) -> tuple[str, str]:
    """Let the phone remove the card that is to be charged; say who was first, and who heard what.

    There is another card, which must not be charged in place of the removed one.
    """
    card = await shop.phone.add_card()
    remove = c.RemoveCardRequest(request_id=new_id(), card_id=card.card_id)
    resolve_request = shop.till.resolve_request(
        await shop.phone.issue(card_id=card.card_id), charge(1)
    )
    removed, answer = await together(
        number,
        shop.phone.reason("RemoveCard", remove),
        shop.till.call("ResolveCode", resolve_request),
    )
    process = await shop.till.get(answer.process.process_id)
    granted = p.ProcessState.Name(process.state)
    if process.HasField("refusal"):
        granted = a.RefusalReason.Name(process.refusal.reason)
    first = await _first_journalled(shop, remove.request_id, resolve_request.request_id)
    winner = "the phone first" if first == remove.request_id else "the till first"
    return f"{winner}, {removed}", granted


async def _first_journalled(shop: Shop, *request_ids: str) -> str:
    """Return which of these requests was decided first."""
    head = await shop.world.store.journal_head(0)
    entries = await shop.world.store.journal(0, after_sequence=head.sequence - 20, limit=20)
    payloads = [entry.record.payload for entry in entries]
    found = (one for payload in payloads for one in request_ids if one in payload)
    return next(found)


async def race(
    shop: Shop, once: Callable[[Shop, int], Awaitable[tuple[str, str]]], times: int
) -> Seen:
    seen: Seen = Counter()
    for number in range(times):
        seen[await once(shop, number)] += 1
        await shop.world.settle()
    return seen


async def test_taking_a_code_back_races_its_scan_and_one_of_them_wins(
    kept_shop: Shop, proof: Proof
) -> None:
    times = proof.trials(ci=60, campaign=2_000)

    seen = await race(kept_shop, revoke_code, times)

    one_winner = {("1 taken back", "CODE_REVOKED"), ("0 taken back", "OK")}
    proof.record(
        f"G1 a code taken back against its scan, {_store_of(kept_shop)}",
        trials=times,
        failures=sum(count for heard, count in seen.items() if heard not in one_winner),
        faults_fired={" and ".join(heard): seen[heard] for heard in sorted(one_winner)},
        mutants_killed={"a code that is taken back in words only": 2},
    )


async def test_a_code_that_is_taken_back_in_words_only_would_be_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the phone hears that its code is dead, and nobody writes it down."""
    monkeypatch.setattr(codes, "_revoke", lambda *_: True)

    seen = await race(shop, revoke_code, times=2)

    assert ("1 taken back", "OK") in seen


async def test_removing_a_card_races_its_charge_and_one_of_them_wins(
    kept_shop: Shop, proof: Proof
) -> None:
    times = proof.trials(ci=40, campaign=1_000)

    seen = await race(kept_shop, remove_card, times)

    one_winner = {
        ("the phone first, OK", "REFUSAL_REASON_NO_CARD"),
        ("the till first, OK", "PROCESS_STATE_INSTRUCTED"),
    }
    proof.record(
        f"G1 a card removed against its charge, {_store_of(kept_shop)}",
        trials=times,
        failures=sum(count for heard, count in seen.items() if heard not in one_winner),
        faults_fired={heard[0]: seen[heard] for heard in sorted(one_winner)},
        mutants_killed={"a card that is removed in words only": 2},
    )


async def test_a_card_that_is_removed_in_words_only_would_be_noticed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(KEPT, monkeypatch)

    seen = await race(shop, remove_card, times=2)

    assert ("the phone first, OK", "PROCESS_STATE_INSTRUCTED") in seen


def _store_of(shop: Shop) -> str:
    return type(shop.world.store).__name__
