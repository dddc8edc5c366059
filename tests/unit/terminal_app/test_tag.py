"""The tag: drawn so that a scanner reads it, swapped in time, never shown dead."""

import asyncio
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from rich.console import Console

from tallymark_protocol.errors import NotDone, Refused, TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_protocol.terminal_tag import (
    NONCE_BYTES,
    TAG_TEXT_CHARACTERS_MAX,
    TagClaims,
    TagKind,
    sign,
)
from tallymark_terminal.home import Home
from tallymark_terminal.identity import Identity
from tallymark_terminal.qr_picture import QrPicture
from tallymark_terminal.scanner import read_texts
from tallymark_terminal.server_clock import ServerClock, ServerTime
from tallymark_terminal.tag import Tag
from tallymark_terminal.tag_display import tag_on_screen
from tallymark_terminal.tag_screen import TagFrame, TagScreen
from tests.doubles.terminal_access import TerminalAccess

START = 1_900_000_000.0
LIFE = 60.0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def tag_text(number: int = 0, *, terminal_id: str = "till-1", merchant_id: str = "cafe") -> str:
    claims = TagClaims(
        terminal_id=terminal_id,
        merchant_id=merchant_id,
        expires_at=int(START + LIFE),
        kind=TagKind.DISPLAY,
        nonce=number.to_bytes(NONCE_BYTES, "big"),
    )
    return sign(claims, key_id=1, private_key=KEY, epoch=7)


LONGEST = tag_text(terminal_id="t" * 63, merchant_id="m" * 63)


def drawn(lines: Iterable[str]) -> Image.Image:
    """Return the picture that lines of blocks make in a window with light text on dark ground."""
    rows = list(lines)
    scale = 6
    picture = Image.new("L", (len(rows[0]) * scale, len(rows) * 2 * scale), color=0)
    for top, row in enumerate(rows):
        for left, block in enumerate(row):
            for half, inked in enumerate((block in "▀█", block in "▄█")):
                if inked:
                    x, y = left * scale, (top * 2 + half) * scale
                    picture.paste(255, (x, y, x + scale, y + scale))
    return picture


@pytest.mark.parametrize("text", [tag_text(), LONGEST], ids=["usual", "longest"])
def test_picture_is_read_back_by_the_terminals_own_scanner(text: str) -> None:
    with Image.open(io.BytesIO(QrPicture(text).png())) as picture:
        assert read_texts(picture.convert("L"), thorough=True) == {text}


def test_lines_are_read_back_from_a_window() -> None:
    picture = QrPicture(tag_text())

    light_on_dark = drawn(picture.lines(is_ink_light=True))
    dark_on_light = drawn(picture.lines())

    assert read_texts(light_on_dark, thorough=True) == {tag_text()}
    # Shown in black on white: what is inked is black.
    assert read_texts(dark_on_light.point(lambda value: 255 - value), thorough=True) == {tag_text()}


def test_size_of_the_symbols_is_as_documented() -> None:
    assert len(LONGEST) == TAG_TEXT_CHARACTERS_MAX
    # 8 modules of border; version v has 17 + 4 v modules a side.
    assert QrPicture(tag_text()).columns == 8 + 17 + 4 * 7
    assert QrPicture(LONGEST).columns == 8 + 17 + 4 * 11


def test_svg_is_one_with_a_white_ground() -> None:
    svg = QrPicture(tag_text()).svg().decode()

    assert svg.startswith("<?xml")
    assert 'fill="#fff"' in svg or 'fill="white"' in svg


class Server:
    """Gives tags at a test's wish, and owns the time."""

    def __init__(self) -> None:
        self.seconds = START
        self.asked_at: list[float] = []
        self.errors: list[TallymarkError | None] = []
        self.takes_seconds = 0.0
        self.clock = ServerClock(steady=lambda: self.seconds)
        self.clock.set(
            ServerTime(server_seconds=START, steady_seconds=START, uncertainty_seconds=0)
        )
        self.frames: list[tuple[float, TagFrame]] = []

    async def fetch(self) -> Tag:
        self.asked_at.append(self.seconds)
        asked_at = self.seconds
        while self.seconds < asked_at + self.takes_seconds:  # noqa: ASYNC110 - time is the test's
            await asyncio.sleep(0)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return Tag(
            text=tag_text(len(self.asked_at)),
            expires_at=datetime.fromtimestamp(asked_at + LIFE, tz=UTC),
            next_at=datetime.fromtimestamp(asked_at + LIFE * 0.75, tz=UTC),
        )

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def draw(self, frame: TagFrame) -> None:
        self.frames.append((self.seconds - START, frame))

    async def show(self, seconds: float) -> None:
        """Show tags for so long."""
        screen = TagScreen(fetch=self.fetch, draw=self.draw, clock=self.clock, sleep=self.sleep)
        shown = asyncio.create_task(screen.run())
        while self.seconds < START + seconds and not shown.done():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        shown.cancel()
        await asyncio.wait([shown])
        if not shown.cancelled():
            shown.result()

    def picture_at(self, seconds: float) -> QrPicture | None:
        return [frame for at, frame in self.frames if at <= seconds][-1].picture


@pytest.fixture
def server() -> Server:
    return Server()


async def test_next_tag_is_fetched_before_the_old_one_ends(server: Server) -> None:
    await server.show(200)

    pauses = [
        after - before for before, after in zip(server.asked_at, server.asked_at[1:], strict=False)
    ]
    assert len(pauses) == 4
    assert all(45 <= pause < 46 for pause in pauses)


async def test_picture_is_swapped_only_when_the_next_tag_has_arrived(server: Server) -> None:
    server.takes_seconds = 5

    await server.show(60)

    assert server.picture_at(4) is None
    first, second = server.picture_at(6), server.picture_at(55)
    assert first is not None
    assert server.picture_at(49) is first
    assert second is not first


async def test_old_tag_stays_to_its_end_and_no_longer_when_there_is_no_answer(
    server: Server,
) -> None:
    server.errors = [None, *[UnknownOutcome(None, message="no answer")] * 100]

    await server.show(80)

    assert server.picture_at(59.5) is not None
    assert server.picture_at(61) is None
    assert server.frames[-1][1].trouble == "no answer"
    pauses = [
        after - before
        for before, after in zip(server.asked_at[1:], server.asked_at[2:], strict=False)
    ]
    assert all(pause >= 2 for pause in pauses)


async def test_server_is_given_the_time_that_it_asks_for(server: Server) -> None:
    server.errors = [NotDone(Reason.RATE_LIMITED, retry_after_seconds=10)]

    await server.show(12)

    assert server.asked_at[1] - server.asked_at[0] >= 10


async def test_revoked_terminal_shows_its_last_tag_to_the_end_and_stops(server: Server) -> None:
    server.errors = [None, Refused(Reason.CREDENTIALS_INVALID)]

    with pytest.raises(Refused):
        await server.show(200)

    assert START + LIFE <= server.seconds < START + LIFE + 1
    assert len(server.asked_at) == 2


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return TerminalAccess(now=lambda: START).enrol_home(Home(tmp_path), server="shop:7422")


def screen_text(frame: TagFrame, identity: Identity, *, warning: str = "", height: int = 40) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=height)
    with console.capture() as captured:
        console.print(tag_on_screen(console, frame, identity=identity, warning=warning))
    return captured.get()


def test_screen_names_the_merchant_for_the_customer_to_compare(identity: Identity) -> None:
    frame = TagFrame(picture=QrPicture(tag_text()), seconds_left=17)

    shown = screen_text(frame, identity)

    assert "Corner Shop, till-1" in shown
    assert "good for 17 s" in shown
    assert next(QrPicture(tag_text()).lines()) in shown


def test_window_that_is_too_small_shows_no_half_tag(identity: Identity) -> None:
    frame = TagFrame(picture=QrPicture(tag_text()), seconds_left=17)

    shown = screen_text(frame, identity, height=24)

    assert "too small" in shown
    assert "█" not in shown


def test_trouble_and_warnings_are_on_the_screen(identity: Identity) -> None:
    shown = screen_text(
        TagFrame(picture=None, trouble="no answer\x1b[2J"), identity, warning="WARNING: look"
    )

    assert "no tag that is good" in shown
    assert "no answer" in shown
    assert "\x1b[2J" not in shown
    assert "WARNING: look" in shown
