"""The published certificate has a row for every RPC that changes something, and nothing lost."""

import re

from tests.crash.page import PAGE
from tests.crash.walk import CHANGING_RPCS, NOT_WALKED
from tests.world.contract import RPCS

ROW = re.compile(r"^\| (\w+/\w+) \| (.+) \|$", re.MULTILINE)


def rows_of_the_page() -> dict[str, list[int]]:
    return {
        path: [int(count.replace(",", "")) for count in counts.split(" | ")]
        for path, counts in ROW.findall(PAGE.read_text())
    }


def test_every_changing_rpc_has_a_row() -> None:
    assert sorted(rows_of_the_page()) == sorted(rpc.path for rpc in CHANGING_RPCS)


def test_what_is_left_out_exists_and_is_named() -> None:
    assert {rpc.path for rpc in RPCS} >= NOT_WALKED.keys()
    assert all(f"`{path}` {why}" in PAGE.read_text() for path, why in NOT_WALKED.items())


def test_every_row_was_tried_and_lost_nothing() -> None:
    for path, counts in rows_of_the_page().items():
        *tried, lost, broken = counts
        killed, eio, enospc, _, _, events, cuts = tried
        assert all((killed, eio, enospc, events, cuts)), path
        assert (lost, broken) == (0, 0), path
