"""Parts of `make bench` that begin with a made-up past, played small; and the page they fill."""

from pathlib import Path

from bench import footprint, growth, memory, page, scanning
from bench.lines import at_most
from bench.past import fill
from bench.past_names import CODES_A_SCAN, Size

PHONES = 6


async def test_servers_find_their_past_and_tell_phones_that_wait(tmp_path: Path) -> None:
    """Old processes are found, the phones of the past are signed in, and told of what is new."""
    past = await fill(tmp_path / "past", Size(PHONES * CODES_A_SCAN, PHONES * CODES_A_SCAN))
    small = growth.Scale(codes=(past.names.size.codes,), rounds=1, calls=4)
    waiting = memory.Scale(phones=PHONES, scans=3, quiet_seconds=0.0)

    started = await growth.compare_served(small, [past])
    waited = await memory.wait(waiting, past, 2, at_most(350.0))

    assert [line.figures["scans"] for line in started] == [PHONES] * 3
    assert all(line.got > 0 for line in started)
    memory_held, _, told = waited
    assert memory_held.figures["connections"] == PHONES / 2
    assert len(told.figures["milliseconds"]) == waiting.scans


async def test_a_scan_takes_more_of_the_database_than_its_code() -> None:
    code, admission, sale = await footprint.look(footprint.Scale(customers=8, rounds=4))

    assert 0 < code.got < admission.got < sale.got
    assert admission.figures["tables"]["processes"] > 0


def test_the_scanner_is_compared_with_a_plain_one() -> None:
    scene = next(scene for scene in scanning.scenes_of("720p") if scene.text)

    (line,) = scanning.compare([scene], rounds=2)

    assert line.figures["ours_read_at_frame"] == 1
    assert line.got > 0


def test_the_page_takes_the_lines_of_its_places_and_leaves_the_rest() -> None:
    before = "<!-- bench: latency -->\nold\n<!-- end -->\n<!-- bench: ghz -->\nkept\n<!-- end -->\n"
    figures = {"got": 2.5, "unit": "ms", "target": "<= 3", "is_met": True, "note": "a | b"}

    after = page.filled(before, {"admit alone, p50": figures})

    assert "| admit alone, p50 | <= 3 | 2.50 ms | met | a / b |" in after
    assert "old" not in after
    assert "kept" in after


def test_the_page_has_every_place() -> None:
    text = page.PAGE.read_text()

    assert [place for place in page.PLACES if f"<!-- bench: {place} -->\n" not in text] == []
