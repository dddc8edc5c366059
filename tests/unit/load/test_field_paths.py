"""Fields are found by their full names, wherever they are."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallymark.v1 import action_pb2, process_pb2, terminal_service_pb2
from tallymark_load.replay.field_paths import Finder, Selection

Exchange = terminal_service_pb2.ExchangeRequest
IDS = st.text("0123456789abcdef", min_size=1, max_size=8)


def requests(ids: list[str], codes: list[str]) -> Any:
    """Return a batch of commands that name these ids and codes, each in its own depth."""
    made = Exchange()
    for number, (request_id, code) in enumerate(zip(ids, codes, strict=False)):
        command = made.commands.add(correlation=number)
        resolve = command.resolve_code if number % 2 else None
        if resolve is not None:
            resolve.request_id = request_id
            resolve.identification.code = code
        else:
            command.get_process.reference.resolve_request_id = request_id
            command.get_process.reference.identification.code = code
    return made


def found(selectors: dict[str, str], message: Any) -> list[tuple[str, Any]]:
    finder = Finder(Selection(selectors))
    return [(mark, place.value) for place, mark in finder.find(message)]


@given(st.lists(st.tuples(IDS, IDS), max_size=6))
def test_every_selected_field_is_found_at_every_depth(pairs: list[tuple[str, str]]) -> None:
    message = requests([one for one, _ in pairs], [code for _, code in pairs])

    marks = found({"tallymark.v1.Identification.code": "code"}, message)

    assert marks == [("code", code) for _, code in pairs]


@given(st.lists(st.tuples(IDS, IDS), max_size=6))
def test_replacing_every_value_twice_with_opposites_changes_nothing(
    pairs: list[tuple[str, str]],
) -> None:
    message = requests([one for one, _ in pairs], [code for _, code in pairs])
    before = message.SerializeToString()
    finder = Finder(Selection({"tallymark.v1.*": "any"}))

    for _ in range(2):
        for place, _ in list(finder.find(message)):
            if isinstance(place.value, str):
                place.put(place.value[::-1])

    assert message.SerializeToString() == before


@given(st.lists(st.tuples(IDS, IDS), max_size=6), st.lists(st.tuples(IDS, IDS), max_size=6))
def test_pairs_are_of_one_field_and_as_many_as_the_shorter_list(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    first = requests(*[list(column) for column in zip(*one, strict=True)] or [[], []])
    second = requests(*[list(column) for column in zip(*other, strict=True)] or [[], []])
    finder = Finder(Selection({"tallymark.v1.Identification.code": "code"}))

    pairs = list(finder.pairs(first, second))

    assert len(pairs) == min(len(one), len(other))
    assert all(mine.field.full_name == its.field.full_name for mine, its, _ in pairs)


def test_an_exact_name_counts_before_a_pattern() -> None:
    process = process_pb2.Process(process_id="a", merchant_id="b")
    selectors = {"tallymark.v1.*_id": "pattern", "tallymark.v1.Process.process_id": "exact"}

    assert found(selectors, process) == [("exact", "a"), ("pattern", "b")]


def test_elements_of_a_list_are_marked_as_such() -> None:
    process = process_pb2.Process(process_id="a")
    earned = action_pb2.EarnPointsInstruction(programme_id="beans")
    process.actions.add().instruction.earn_points.CopyFrom(earned)
    finder = Finder(Selection({"tallymark.v1.*_id": "id"}))

    assert [place.is_listed for place, _ in finder.find(process)] == [False, True]
