import io
import re
from collections.abc import Iterable

import pytest
import zxingcpp
from PIL import Image, ImageDraw
from rich.console import Console

from tallymark_phone.code_display import WindowTooSmall, code_screen, picture_text
from tallymark_phone.qr_picture import QrPicture
from tallymark_phone.qr_screen import Frame
from tests.doubles.customer_facts import code_text

TEXTS = [code_text(1), code_text(2), "TM1:" + "0A" * 231]
CELL_WIDTH, CELL_HEIGHT = 6, 12


def read(image: Image.Image) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(image)]


def photograph(lines: Iterable[str], *, ink: str, ground: str, room: str) -> Image.Image:
    """Draw lines of half blocks as a terminal does, in a window with more room around."""
    rows = list(lines)
    size = (max(map(len, rows)) * CELL_WIDTH, len(rows) * CELL_HEIGHT)
    text = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(text)
    for y, row in enumerate(rows):
        for x, character in enumerate(row):
            left, top = x * CELL_WIDTH, y * CELL_HEIGHT
            begin = top + (CELL_HEIGHT // 2 if character == "▄" else 0)
            end = top + (CELL_HEIGHT // 2 if character == "▀" else CELL_HEIGHT)
            if character != " ":
                draw.rectangle((left, begin, left + CELL_WIDTH - 1, end - 1), fill=ink)
    window = Image.new("RGB", (size[0] + 200, size[1] + 200), room)
    window.paste(text, (100, 100))
    return window


@pytest.mark.parametrize("text", TEXTS)
def test_the_png_is_read_by_a_scanner(text: str) -> None:
    png = QrPicture(text).png()

    assert read(Image.open(io.BytesIO(png))) == [text]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("page", ["white", "black"])
def test_the_svg_is_read_by_a_scanner_on_light_and_dark_pages(text: str, page: str) -> None:
    svg = QrPicture(text).svg().decode()

    assert read(draw_svg(svg, page=page)) == [text]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("room", ["white", "black"])
def test_the_terminal_is_read_by_a_scanner_on_light_and_dark_grounds(text: str, room: str) -> None:
    lines = QrPicture(text).lines()

    picture = photograph(lines, ink="black", ground="white", room=room)

    assert read(picture) == [text]


@pytest.mark.parametrize(("ink", "ground"), [("white", "black"), ("black", "white")])
def test_without_colours_a_scanner_reads_it_on_dark_grounds_and_inverted(
    ink: str, ground: str
) -> None:
    lines = QrPicture(TEXTS[0]).lines(is_ink_light=True)

    picture = photograph(lines, ink=ink, ground=ground, room=ground)

    assert read(picture) == [TEXTS[0]]


def test_a_usual_code_is_version_7_with_a_quiet_zone_of_4() -> None:
    picture = QrPicture(TEXTS[0])

    assert (picture.columns, picture.rows) == (45 + 8, 27)
    lines = list(picture.lines())
    assert {len(line) for line in lines} == {53}
    assert set(lines[0]) == set(lines[1]) == {" "}
    assert all(line.startswith("    ") and line.endswith("    ") for line in lines)


def test_a_scanner_says_level_m() -> None:
    png = QrPicture(TEXTS[0]).png()

    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))

    assert found.ec_level == "M"


def test_on_a_terminal_the_code_is_black_on_white_whatever_the_colour_scheme() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="256")

    with console.capture() as captured:
        console.print(picture_text(console, QrPicture(TEXTS[0])))

    assert "\x1b[38;5;16;48;5;231m" in captured.get()
    assert read(photograph(uncoloured(captured.get()), ink="black", ground="white", room="black"))


def test_in_a_file_the_code_has_no_colours_and_its_text_is_not_there() -> None:
    console = Console(file=io.StringIO(), width=80)

    with console.capture() as captured:
        console.print(picture_text(console, QrPicture(TEXTS[0])), soft_wrap=True)

    assert set(captured.get()) <= set(" ▀▄█\n")
    lines = captured.get().splitlines()
    assert read(photograph(lines, ink="white", ground="black", room="black")) == [TEXTS[0]]


def test_a_window_that_is_too_small_is_named_with_the_size_it_needs() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=40, color_system="256")

    with pytest.raises(WindowTooSmall, match="53 columns wide and 27 rows high"):
        picture_text(console, QrPicture(TEXTS[0]))


@pytest.mark.parametrize(
    ("frame", "height", "expected"),
    [
        (Frame(picture=QrPicture(TEXTS[0]), seconds_left=42), 30, "good for 42 s"),
        (Frame(picture=QrPicture(TEXTS[0]), seconds_left=42), 24, "53 columns wide and 30"),
        (Frame(picture=None, trouble="no answer"), 30, "no new code: no answer"),
    ],
)
def test_the_screen_says_how_long_the_code_is_good_or_what_is_wrong(
    frame: Frame, height: int, expected: str
) -> None:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=80, height=height, color_system="256"
    )

    with console.capture() as captured:
        console.print(code_screen(console, frame))

    assert expected in captured.get()
    assert len(captured.get().splitlines()) <= height


def uncoloured(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def draw_svg(svg: str, *, page: str) -> Image.Image:
    """Draw the rectangles and the path of horizontal strokes that the file consists of."""
    height, width = (int(re.findall(rf'{side}="(\d+)"', svg)[0]) for side in ("height", "width"))
    scale = int(re.findall(r"scale\((\d+)\)", svg)[0])
    image = Image.new("RGB", (width + 100, height + 100), page)
    draw = ImageDraw.Draw(image)
    if f'<path fill="#fff" d="M0 0h{width // scale}v' in svg:
        draw.rectangle((50, 50, 50 + width, 50 + height), fill="white")
    x = y = 0.0
    path = re.findall(r'class="qrline" stroke="#000" d="([^"]+)"', svg)[0]
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path):
        match command:
            case "M":
                x, y = float(first), float(second)
            case "m":
                x, y = x + float(first), y + float(second)
            case _:
                left, top = 50 + x * scale, 50 + (y - 0.5) * scale
                x += float(first)
                draw.rectangle((left, top, 49 + x * scale, top + scale - 1), fill="black")
    return image
