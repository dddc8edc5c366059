"""What the lane remembers of the rows that it read and wrote."""

from tallymark_server.domain.model.merchants import Merchant
from tallymark_server.domain.model.processes import Request
from tallymark_server.lanes.row_memory import RowMemory


def merchant(merchant_id: str, name: str = "Cafe") -> Merchant:
    return Merchant(partition=0, merchant_id=merchant_id, name=name)


def test_a_row_is_remembered_as_it_was_committed_last() -> None:
    memory = RowMemory()
    old, new = merchant("cafe"), merchant("cafe", "Bar")

    memory.learn({old.key: old})
    memory.learn({new.key: new})

    assert memory.rows == {new.key: new}


def test_a_removed_row_is_remembered_as_absent() -> None:
    memory = RowMemory()
    row = merchant("cafe")

    memory.learn({row.key: row})
    memory.learn({row.key: None})

    assert memory.rows == {row.key: None}


def test_of_too_many_rows_those_learnt_longest_ago_are_forgotten() -> None:
    memory = RowMemory(rows_max=3)
    rows = [merchant(f"m-{number}") for number in range(4)]

    memory.learn({row.key: row for row in rows[:3]})
    memory.learn({rows[0].key: rows[0]})
    memory.learn({rows[3].key: rows[3]})

    assert set(memory.rows) == {rows[2].key, rows[0].key, rows[3].key}


def test_requests_do_not_push_out_what_is_in_use() -> None:
    memory = RowMemory(rows_max=1)
    row = merchant("cafe")
    request = Request(
        partition=0,
        request_id="r",
        caller_id="terminal/till-1",
        rpc="ResolveCode",
        fingerprint="",
        decided_at=0,
    )

    memory.learn({row.key: row})
    memory.learn({request.key: request})

    assert memory.rows == {row.key: row}
