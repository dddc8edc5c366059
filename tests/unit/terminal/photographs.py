"""Draw what a terminal's camera sees: a phone on a desk, its screen showing a code."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import segno
from PIL import Image, ImageDraw, ImageFilter

FRAME_WIDTH, FRAME_HEIGHT = 800, 600
_FOCAL_LENGTH_PIXELS = 900.0
_DRAWN_PIXELS_PER_MODULE = 6
_DESK_GREY, _PHONE_GREY, _PAPER, _INK = 120, 25, 250, 10
_QUIET_MODULES = 4

_Pixels = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Photograph:
    """How a photograph is taken. Lengths in modules, the little squares of the code."""

    pixels_per_module: float = 5.0
    turn_degrees: float = 0.0
    tilt_degrees: float = 0.0
    defocus_modules: float = 0.0
    shake_modules: float = 0.0
    noise_grey_levels: float = 3.0
    jpeg_quality: int = 90
    contrast_percent: float = 100.0
    shadow_percent: float = 0.0
    glare_modules: float = 0.0
    thumb_modules: float = 0.0
    covers_corner_mark: bool = False
    is_inverted: bool = False
    is_mirrored: bool = False
    frame: tuple[int, int] = (FRAME_WIDTH, FRAME_HEIGHT)
    """Width and height in pixels."""

    def of(self, text: str, *, seed: int = 1) -> Image.Image:
        """Take it of a phone that shows this text as its code."""
        randomness = np.random.default_rng(seed)
        screen = _phone(text, inverted=self.is_inverted).copy()
        if self.is_mirrored:
            screen = screen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        _cover_with_thumb(screen, _code_modules(text), self)
        light = np.asarray(self._place(screen), dtype=np.float64)
        light = self._spoil_light(light)
        light = self._blur(light)
        light += randomness.normal(0.0, self.noise_grey_levels, light.shape)
        return _through_jpeg(_to_picture(light), self.jpeg_quality)

    def _place(self, screen: Image.Image) -> Image.Image:
        """Hold the phone before the camera: turned, tilted, at its distance."""
        drawn = min(self.pixels_per_module, _DRAWN_PIXELS_PER_MODULE)
        scale = drawn / _DRAWN_PIXELS_PER_MODULE
        near = screen.resize(
            (round(screen.width * scale), round(screen.height * scale)), Image.Resampling.BOX
        )
        to_frame = self._lens() @ self._stance(drawn) @ _from_centre(near)
        to_screen = np.linalg.inv(to_frame)
        to_screen /= to_screen[2, 2]
        return near.transform(
            self.frame,
            Image.Transform.PERSPECTIVE,
            to_screen.ravel()[:8].tolist(),
            Image.Resampling.BILINEAR,
            fillcolor=_DESK_GREY,
        )

    def _stance(self, drawn_pixels_per_module: float) -> _Pixels:
        """Return where a point of the screen is in the room, seen from the camera."""
        turn, tilt = np.radians(self.turn_degrees), np.radians(self.tilt_degrees)
        distance = _FOCAL_LENGTH_PIXELS / self.pixels_per_module * drawn_pixels_per_module
        across = [np.cos(turn) * np.cos(tilt), np.sin(turn), np.cos(turn) * np.sin(tilt)]
        down = [-np.sin(turn) * np.cos(tilt), np.cos(turn), -np.sin(turn) * np.sin(tilt)]
        return np.column_stack([across, down, [0.0, 0.0, distance]])

    @property
    def _centre(self) -> tuple[float, float]:
        """Return the middle of the frame, down and across."""
        width, height = self.frame
        return height / 2, width / 2

    def _lens(self) -> _Pixels:
        """Return where a point in the room is in the frame."""
        y, x = self._centre
        focus = _FOCAL_LENGTH_PIXELS
        return np.array([[focus, 0.0, x], [0.0, focus, y], [0.0, 0.0, 1.0]])

    def _spoil_light(self, light: _Pixels) -> _Pixels:
        """Wash out the contrast, cast a shadow with a slanted edge, reflect a lamp."""
        light = 128 + (light - 128) * self.contrast_percent / 100
        width, height = self.frame
        y, x = np.mgrid[0:height, 0:width] - np.array(self._centre)[:, None, None]
        if self.shadow_percent:
            lit_part = 1 / (1 + np.exp(np.clip(-(0.9 * x + 0.4 * y) / 15, -50, 50)))
            light = light * (1 - self.shadow_percent / 100 * (1 - lit_part))
        if self.glare_modules:
            radius = self.glare_modules * self.pixels_per_module
            from_lamp = np.hypot(x - 6 * self.pixels_per_module, y)
            light = light + 400 * np.exp(-((from_lamp / radius) ** 4))
        return np.clip(light, 0, 255)

    def _blur(self, light: _Pixels) -> _Pixels:
        """Blur as the lens does, out of focus, and by moving sideways during the exposure."""
        sigma = np.hypot(0.6, self.defocus_modules * self.pixels_per_module)
        picture = _to_picture(light).filter(ImageFilter.GaussianBlur(float(sigma)))
        blurred = np.asarray(picture, dtype=np.float64)
        steps = max(1, round(self.shake_modules * self.pixels_per_module))
        moved: _Pixels = np.mean([np.roll(blurred, step, axis=1) for step in range(steps)], axis=0)
        return moved


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put several photographs of equal height into one."""
    joined = Image.new("L", (sum(picture.width for picture in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width
    return joined


def photograph_of_text() -> Image.Image:
    """Take a photograph of a printed page without any code."""
    page = Image.new("L", (FRAME_WIDTH, FRAME_HEIGHT), _PAPER)
    pen = ImageDraw.Draw(page)
    for row in range(30):
        pen.text((40, 20 + row * 18), "TM1: is how a code begins, but this is a page. " * 2, _INK)
    return page.filter(ImageFilter.GaussianBlur(0.6))


def symbol(text: str, *, pixels_per_module: int) -> Image.Image:
    """Draw only the code with its white margin, as a phone saves it."""
    modules = _code_modules(text)
    side = modules.shape[0] * pixels_per_module
    return Image.fromarray(np.where(modules, 0, 255).astype(np.uint8)).resize(
        (side, side), Image.Resampling.NEAREST
    )


def encoded(picture: Image.Image, kind: str = "PNG", **options: int | bytes) -> bytes:
    """Return the picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@cache
def _code_modules(text: str) -> npt.NDArray[np.bool_]:
    """Return the modules as the phone chooses them: level M, alphanumeric, margin included."""
    code = segno.make(text, error="m", boost_error=False, micro=False)
    return np.array([list(row) for row in code.matrix_iter(border=_QUIET_MODULES)], dtype=np.bool_)


def _from_centre(picture: Image.Image) -> _Pixels:
    """Return where a pixel is, measured from the middle of its picture."""
    return np.array(
        [[1.0, 0.0, -picture.width / 2], [0.0, 1.0, -picture.height / 2], [0.0, 0.0, 1.0]]
    )


@cache
def _phone(text: str, *, inverted: bool) -> Image.Image:
    """Draw a phone on a desk; the code is in the middle."""
    modules = _code_modules(text)
    paper, ink = (_INK, _PAPER) if inverted else (_PAPER, _INK)
    unit = _DRAWN_PIXELS_PER_MODULE
    side = modules.shape[0] * unit
    width, height = side + 24 * unit, side + 70 * unit
    desk = Image.new("L", (width + 40 * unit, height + 20 * unit), _DESK_GREY)
    pen = ImageDraw.Draw(desk)
    left, top = 20 * unit, 10 * unit
    pen.rounded_rectangle((left, top, left + width, top + height), 9 * unit, _PHONE_GREY)
    pen.rectangle(
        (left + 4 * unit, top + 9 * unit, left + width - 4 * unit, top + height - 9 * unit), paper
    )
    code_left, code_top = (desk.width - side) // 2, (desk.height - side) // 2
    pen.text((code_left, code_top - 16 * unit), "Tallymark", ink, font_size=9 * unit)
    pen.text((code_left, code_top + side + 3 * unit), "new code in 42 s", ink, font_size=6 * unit)
    code = Image.fromarray(np.where(modules, ink, paper).astype(np.uint8))
    desk.paste(code.resize((side, side), Image.Resampling.NEAREST), (code_left, code_top))
    return desk


def _cover_with_thumb(
    screen: Image.Image, modules: npt.NDArray[np.bool_], photograph: Photograph
) -> None:
    """Lay a round thumb on the code's lower right corner, or on the corner mark at upper left."""
    reach = photograph.thumb_modules * _DRAWN_PIXELS_PER_MODULE
    if not reach:
        return
    half = (modules.shape[0] / 2 - _QUIET_MODULES) * _DRAWN_PIXELS_PER_MODULE
    sign = -1 if photograph.covers_corner_mark else 1
    x, y = screen.width / 2 + sign * half, screen.height / 2 + sign * half
    ImageDraw.Draw(screen).ellipse((x - reach, y - reach, x + reach, y + reach), 150)


def _to_picture(light: _Pixels) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))


def _through_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    with Image.open(io.BytesIO(encoded(picture, "JPEG", quality=quality))) as photograph:
        return photograph.convert("L")
