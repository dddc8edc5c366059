"""No bytes make a parser crash, hang or take what they are not: G20, for parsers.

In CI a few thousand mutated inputs of each and the kept corpus; `make fuzz` goes on for long, with
a fuzzer that is guided by coverage.
"""

from dataclasses import replace
from typing import Any

import pytest

from tallymark_protocol import code_format, strict_cbor
from tallymark_protocol.code_errors import CodeMalformed
from tests.fuzz.corpus_files import kept_inputs
from tests.fuzz.mutation import Mutator
from tests.fuzz.parser import Broken, Parser, Tried
from tests.fuzz.parsers import PARSERS
from tests.proof import Proof

INPUTS = 1_000
WEIGHED_EACH = 100
SLOW = {"picture": 60, "terminal_journal": 60, "terminal_identity": 300, "certificate_request": 500}


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_good_inputs_are_accepted(parser: Parser) -> None:
    tried = Tried()

    for seed in parser.seeds():
        assert tried.feed(parser, seed, weigh=True), f"{parser.name} refuses {seed.hex()}"


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_what_was_found_once_does_no_harm(parser: Parser) -> None:
    tried = Tried()

    for data in kept_inputs(parser.name):
        tried.feed(parser, data, weigh=True)


@pytest.mark.guarantee
def test_no_bytes_do_harm(proof: Proof) -> None:
    counted = {}
    for parser in PARSERS.values():
        corpus = [*parser.seeds(), *kept_inputs(parser.name)]
        mutator = Mutator(corpus, seed=parser.name, size_max=parser.size_max)
        tried = counted[parser.name] = Tried()
        inputs = SLOW.get(parser.name, INPUTS)
        for number in range(proof.trials(ci=inputs, campaign=20 * inputs)):
            tried.feed(parser, mutator.next(), weigh=number % WEIGHED_EACH == 0)

    proof.record(
        "G20 parsers",
        trials=sum(tried.inputs for tried in counted.values()),
        failures=0,
        faults_fired={
            "accepted": sum(tried.accepted for tried in counted.values()),
            "weighed": sum(tried.weighed for tried in counted.values()),
        },
        figures={"accepted": {name: tried.accepted for name, tried in counted.items()}},
    )


# Planted bugs. The search must find each, in not many more inputs than CI tries.

TRIES_MAX = 20_000


def _tries_until_broken(parser: Parser) -> int:
    mutator = Mutator(parser.seeds(), seed=parser.name, size_max=parser.size_max)
    tried = Tried()
    for _ in range(TRIES_MAX):
        try:
            tried.feed(parser, mutator.next(), weigh=tried.inputs % WEIGHED_EACH == 0)
        except Broken:
            return tried.inputs
    return 0


def _echoing(data: bytes) -> object:
    try:
        return code_format.parse(data.decode("utf-8", "surrogateescape"))
    except CodeMalformed as error:
        message = f"{error}: {data.decode('latin-1')}"
        raise CodeMalformed(message) from None


def _without_a_look_at_the_type(data: bytes) -> object:
    entries: Any = strict_cbor.decode(data, depth_max=2)
    return entries[4], entries[7]


def _forgiving(data: bytes) -> object:
    """Take a second form of the same claims: what is unknown is passed over."""
    entries: Any = strict_cbor.decode(data, depth_max=2)
    return {key: entries[key] for key in entries if key in {3, 4, 7, -65537}}


def _slow(data: bytes) -> object:
    """Look at something once for each pair of bytes."""
    return sum(1 for _ in range(len(data) ** 2))


def _greedy(data: bytes) -> object:
    """Believe a length that the input claims."""
    return bytearray(int.from_bytes(data[-3:], "big"))


PLANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "an except that echoes the input": ("code_text", {"read": _echoing}),
    "a KeyError let through": ("code_claims", {"read": _without_a_look_at_the_type, "write": None}),
    "an IndexError let through": ("device_key", {"read": lambda data: data[33], "write": None}),
    "a second form taken": ("code_claims", {"read": _forgiving, "write": strict_cbor.encode}),
    "time that grows with the square": ("strict_cbor", {"read": _slow, "size_max": 2_048}),
    "memory as much as is claimed": ("strict_cbor", {"read": _greedy}),
}


@pytest.mark.guarantee
def test_planted_bugs_are_found(proof: Proof) -> None:
    tries = {
        bug: _tries_until_broken(replace(PARSERS[name], **changes))
        for bug, (name, changes) in PLANTED.items()
    }

    proof.record(
        "G20 parsers, planted bugs",
        trials=sum(tries.values()),
        failures=sum(count == 0 for count in tries.values()),
        mutants_killed=tries,
    )
