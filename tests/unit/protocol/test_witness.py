"""What clients carry from call to call: only its server makes one, and the newest is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.checkpoint import ShortCheckpoint
from tallymark_protocol.witness import NewestWitness, NotAWitness, make_witness, read_witness

KEY = b"k" * 32

CHECKPOINTS = st.builds(
    ShortCheckpoint,
    partition=st.integers(0, 255),
    sequence=st.integers(0, 10**15),
    hash_start=st.binary(min_size=16, max_size=16),
)
TEXTS = st.builds(make_witness, st.integers(0, 10**18), CHECKPOINTS.map(str), st.just(KEY))


def witness(epoch: int, sequence: int) -> str:
    checkpoint = ShortCheckpoint(partition=0, sequence=sequence, hash_start=bytes(16))
    return make_witness(epoch, str(checkpoint), KEY)


@given(TEXTS)
def test_a_witness_is_read_as_it_was_made(text: str) -> None:
    made = read_witness(text)

    assert str(made) == text
    assert made.is_genuine(KEY)
    assert not made.is_genuine(b"x" * 32)


@given(TEXTS, st.data())
def test_no_changed_character_goes_unnoticed(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef:tmwX "))
    changed = f"{text[:place]}{other}{text[place + 1 :]}"
    if changed == text:
        return

    try:
        found = read_witness(changed)
    except NotAWitness:
        return
    assert not found.is_genuine(KEY)


@pytest.mark.parametrize(
    "text", ["", "tmw1", "tmc1:0:5:" + "00" * 16, witness(1, 5) + "0", witness(1, 5).upper()]
)
def test_another_text_is_none(text: str) -> None:
    with pytest.raises(NotAWitness):
        read_witness(text)


def test_the_newest_is_carried_whatever_the_order_of_the_answers() -> None:
    kept: list[str] = []
    newest = NewestWitness(witness(1, 5), keep=kept.append)
    for text in (witness(1, 7), witness(1, 6), "nonsense", witness(2, 3), witness(1, 9)):
        newest.hear(text)

    assert newest.metadata == (("tallymark-witness", witness(2, 3)),)
    assert kept == [witness(1, 7), witness(2, 3)]
    assert NewestWitness().metadata == ()
