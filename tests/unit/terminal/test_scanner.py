import pytest
from PIL import Image

from tallymark_terminal.scanner import (
    ForeignCode,
    GarbledCode,
    NoCodeFound,
    PictureUnreadable,
    ScannedCode,
    ScannerUnavailable,
    ScanRefused,
    SeveralCodes,
    read_code,
)

from .codes import FOREIGN_TEXT, code_text, longest_code_text
from .photographs import Photograph, photograph_of_text, side_by_side, symbol


def shown(*texts: str) -> Image.Image:
    """Take one photograph of several phones, one text each."""
    return side_by_side([Photograph().of(text, seed=seed) for seed, text in enumerate(texts)])


@pytest.mark.parametrize("thorough", [True, False])
def test_code_in_a_photograph_is_read(*, thorough: bool) -> None:
    scanned = read_code(Photograph().of(code_text(1)), source="camera", thorough=thorough)

    assert scanned == ScannedCode(text=code_text(1), source="camera")


def test_longest_code_is_read() -> None:
    assert read_code(shown(longest_code_text(1)), source="camera").text == longest_code_text(1)


def test_code_saved_by_the_phone_at_one_pixel_per_module_is_read() -> None:
    picture = symbol(code_text(1), pixels_per_module=1)

    assert read_code(picture, source="file").text == code_text(1)


@pytest.mark.parametrize("customer", range(5))
def test_noisy_code_is_read_at_twice_its_size(customer: int) -> None:
    picture = Photograph(noise_grey_levels=60).of(code_text(customer), seed=customer)

    assert read_code(picture, source="camera").text == code_text(customer)


def test_codes_of_two_customers_are_refused_not_chosen_from() -> None:
    with pytest.raises(SeveralCodes):
        read_code(shown(code_text(1), code_text(2)), source="camera")


@pytest.mark.parametrize("thorough", [True, False])
def test_second_code_that_the_quick_look_overlooks_is_still_refused(*, thorough: bool) -> None:
    bright = Photograph().of(code_text(1))
    dim = Photograph(is_inverted=True).of(code_text(2))
    with pytest.raises(NoCodeFound):
        read_code(dim, source="camera", thorough=False)

    with pytest.raises(SeveralCodes):
        read_code(side_by_side([bright, dim]), source="camera", thorough=thorough)


def test_same_code_twice_in_a_picture_is_one_code() -> None:
    assert read_code(shown(code_text(1), code_text(1)), source="camera").text == code_text(1)


def test_foreign_code_beside_a_tallymark_code_is_ignored() -> None:
    assert read_code(shown(FOREIGN_TEXT, code_text(1)), source="camera").text == code_text(1)


@pytest.mark.parametrize(
    "text", [FOREIGN_TEXT, code_text(1).lower(), "TM2:ABC", " " + code_text(1)]
)
def test_code_that_does_not_begin_like_a_tallymark_code_is_foreign(text: str) -> None:
    with pytest.raises(ForeignCode):
        read_code(shown(text), source="camera")


def test_page_of_print_has_no_code() -> None:
    with pytest.raises(NoCodeFound):
        read_code(photograph_of_text(), source="camera")


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (3, 2), (640, 480)])
def test_empty_picture_of_any_shape_has_no_code(size: tuple[int, int]) -> None:
    with pytest.raises(NoCodeFound):
        read_code(Image.new("L", size, 255), source="camera")


def test_repr_of_a_scanned_code_hides_its_text() -> None:
    scanned = ScannedCode(text=code_text(1), source="camera")

    assert repr(scanned) == "ScannedCode(source='camera')"
    assert str(scanned) == repr(scanned)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ((code_text(1), code_text(2)), "Show one phone only"),
        ((FOREIGN_TEXT,), "Open Tallymark on the phone"),
    ],
)
def test_refusal_says_where_and_what_to_do_but_never_the_text(
    texts: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ScanRefused) as caught:
        read_code(shown(*texts), source="camera 0")

    message = str(caught.value)
    assert message.startswith("camera 0: ")
    assert words in message
    assert not any(text in message or text in repr(caught.value) for text in texts)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_only_the_end_of_a_device_is_not_a_refusal() -> None:
    refusals = [NoCodeFound, ForeignCode, GarbledCode, SeveralCodes, PictureUnreadable]

    assert all(issubclass(refusal, ScanRefused) for refusal in refusals)
    assert not issubclass(ScannerUnavailable, ScanRefused)
