"""Ids, drafts, records, the journal's chain, and what is kept out of texts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark_server.domain.authorisation import RegisteredCard
from tallymark_server.domain.identifiers import RANDOM_BYTES, make_id, partition_of_id
from tallymark_server.domain.model.actions import Authorisation, BurnPointsAsk, ChargeAsk
from tallymark_server.domain.model.journal import GENESIS, JournalEntry, Record
from tallymark_server.domain.model.merchants import Merchant
from tallymark_server.domain.model.people import Card
from tallymark_server.domain.model.processes import Request
from tallymark_server.domain.money import Money
from tallymark_server.domain.state import Draft, Key, Need, Row
from tests.unit.domain.furniture import euro
from tests.unit.domain.small_world import SmallWorld

CAFE = Merchant(partition=0, merchant_id="cafe", name="Cafe")
HALL = Merchant(partition=0, merchant_id="hall", name="Hall")

times = st.integers(0, 2**48 - 1)


@given(
    partition=st.integers(0, 255),
    now=times,
    fresh=st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES),
)
@settings(derandomize=True, database=None)
def test_an_id_is_a_partition_and_a_uuid_of_version_7(
    partition: int, now: int, fresh: bytes
) -> None:
    identifier = make_id(partition, now, fresh)

    assert len(identifier) == 34
    assert partition_of_id(identifier) == partition
    assert int(identifier[2:14], 16) == now
    assert identifier[14] == "7"
    assert identifier[18] in "89ab"


@given(first=times, later=times)
@settings(derandomize=True, database=None)
def test_ids_sort_by_birth(first: int, later: int) -> None:
    older = make_id(7, first, b"\xff" * RANDOM_BYTES)
    younger = make_id(7, later, bytes(RANDOM_BYTES))

    assert (older < younger) == (first < later)


@pytest.mark.parametrize("count", [0, RANDOM_BYTES - 1, RANDOM_BYTES + 1])
def test_an_id_takes_no_other_number_of_random_bytes(count: int) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        make_id(0, 0, bytes(count))


def test_a_draft_tells_unknown_from_absent() -> None:
    rows: dict[Key[Any], Row | None] = {CAFE.key: CAFE, HALL.key: None}
    unknown = Merchant.key_of("shop")
    draft = Draft(Draft(rows))

    assert draft.get(CAFE.key) == CAFE
    assert draft.get(HALL.key) is None
    with pytest.raises(Need) as asked:
        draft.get(unknown)
    assert asked.value.keys == (unknown,)


def test_a_draft_asks_for_all_missing_rows_at_once() -> None:
    missing = Merchant.key_of("a"), Merchant.key_of("b")
    base = Draft({CAFE.key: CAFE})
    base.put(HALL)

    with pytest.raises(Need) as asked:
        Draft(base).fetch(CAFE.key, missing[0], HALL.key, missing[1])

    assert asked.value.keys == missing


def test_a_dropped_draft_changes_nothing_and_an_absorbed_one_everything() -> None:
    base = Draft({CAFE.key: CAFE, HALL.key: HALL})
    trial = Draft(base)

    trial.delete(CAFE.key)
    trial.put(Merchant(partition=0, merchant_id="hall", name="Great hall"))
    assert base.get(CAFE.key) == CAFE
    assert not dict(base.changes())
    base.absorb(trial)

    assert base.get(CAFE.key) is None
    assert dict(base.changes()).keys() == {CAFE.key, HALL.key}


def test_a_record_tells_what_was_decided() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), BurnPointsAsk(points=30))

    world.complete(process)

    record = world.last.record
    assert record is not None
    assert (record.command, record.caller) == ("CompleteProcess", "terminal/till-1")
    assert (record.process_id, record.state) == (process.process_id, 6)
    payload = json.loads(record.payload)
    assert payload["postings"] == [{"programme_id": "beans", "points": -30, "balance_after": 1_470}]


def test_a_record_of_a_refusal_tells_the_reason_and_of_a_timer_the_process() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), BurnPointsAsk(points=30))
    world.complete(process, by="till-2")
    refused = world.last.record
    world.now = process.timer_at
    world.fire(process)
    fired = world.last.record

    assert refused is not None
    assert json.loads(refused.payload)["refused"] == "PROCESS_NOT_FOUND"
    assert fired is not None
    assert (fired.command, fired.process_id, fired.state) == (
        "FireTimer",
        process.process_id,
        4,
    )


def entries(*payloads: str) -> list[JournalEntry]:
    head, chain = GENESIS, []
    for number, payload in enumerate(payloads):
        record = Record(
            decided_at=number, command="C", caller="c", process_id="p", state=1, payload=payload
        )
        chain.append(head.follow(7, record))
        head = chain[-1].head
    return chain


def test_the_journal_chains_every_entry_to_all_before() -> None:
    chain = entries("a", "b", "c")
    changed = entries("a", "x", "c")

    assert [entry.sequence for entry in chain] == [1, 2, 3]
    assert chain[0] == changed[0]
    assert chain[1].chain_hash != changed[1].chain_hash
    assert chain[2].chain_hash != changed[2].chain_hash


def test_no_token_name_or_answer_shows_in_a_text() -> None:
    world = SmallWorld()
    process = world.resolve(world.issue(), ChargeAsk(amount=euro(1)))
    secret = "ana-token-1"
    card = Card(card_id="1", card_token=secret, brand="B", last_four="1", expires_on="2030-01")
    request = Request(
        partition=7,
        request_id="r",
        caller_id="c",
        rpc="R",
        fingerprint="f",
        decided_at=0,
        answer=secret,
    )
    registered = RegisteredCard(token=secret, brand="B", last_four="1")
    shown = [card, registered, Authorisation(authorisation_id="1", card_token=secret), request]

    for value in (*shown, process, world.customer()):
        assert secret not in repr(value)
    assert "+ana" not in repr(world.customer())


def test_an_amount_is_changed_in_its_currency() -> None:
    assert Money(currency_code="EUR", minor_units=5).plus(-2) == euro(3)
