"""No bytes make a parser crash, hang or take what they are not: G20, for parsers.

In CI a few thousand mutated inputs of each and the kept corpus; `make fuzz` goes on for long, with
a fuzzer that is guided by coverage.
"""

import pytest

from tests.fuzz.corpus_files import kept_inputs
from tests.fuzz.mutation import Mutator
from tests.fuzz.parser import Parser, Tried
from tests.fuzz.parsers import PARSERS

INPUTS = 2_000
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
@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_no_bytes_do_harm(parser: Parser) -> None:
    corpus = [*parser.seeds(), *kept_inputs(parser.name)]
    mutator = Mutator(corpus, seed=parser.name, size_max=parser.size_max)
    tried = Tried()

    for number in range(SLOW.get(parser.name, INPUTS)):
        tried.feed(parser, mutator.next(), weigh=number % WEIGHED_EACH == 0)
