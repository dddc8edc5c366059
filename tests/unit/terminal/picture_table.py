"""Find out what the scanner reads: photographs, each spoiled in one way and ever more strongly."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from tallymark_terminal.scanner import NoCodeFound, read_code

from .codes import code_text, longest_code_text
from .photographs import Photograph

CODES_PER_STRENGTH = 3


@dataclass(frozen=True, slots=True)
class Distortion:
    """One way to spoil a photograph, and how strongly. The promised strengths must be read.

    Between the promised and the hopeless strengths lie some that are read now and then; they are
    left out, because there the smallest change of a library would change the table.
    """

    name: str
    unit: str
    aspect: str
    promised: Sequence[float]
    hopeless: Sequence[float] = ()
    base: Photograph = field(default_factory=Photograph)
    code: Callable[[int], str] = code_text

    @property
    def strengths(self) -> list[float]:
        """Every strength to try, weakest first."""
        return [*self.promised, *self.hopeless]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """How many photographs of one strength were read, and how many of these wrongly."""

    distortion: Distortion
    strength: float
    read: int
    misread: int
    seconds: float


_FAR = Photograph(pixels_per_module=2.5)
_TURNED = Photograph(turn_degrees=30)
_THUMB_ON_MARK = Photograph(covers_corner_mark=True)
_INVERTED = Photograph(is_inverted=True)
_MIRRORED = Photograph(is_mirrored=True)
_PIXELS, _DEGREES, _RADIUS = "pixels per module", "degrees", "modules (radius)"

DISTORTIONS = (
    Distortion("distance", _PIXELS, "pixels_per_module", (6, 5, 4, 3, 2), (1.3, 1)),
    Distortion(
        "distance, longest code",
        _PIXELS,
        "pixels_per_module",
        (5, 4, 3),
        (1,),
        code=longest_code_text,
    ),
    Distortion("turned", _DEGREES, "turn_degrees", (10, 30, 45, 90, 137, 180, 270)),
    Distortion("at an angle", _DEGREES, "tilt_degrees", (20, 40, 50, 60), (80,)),
    Distortion("at an angle and turned", _DEGREES, "tilt_degrees", (20, 40), (80,), _TURNED),
    Distortion("out of focus", "modules (sigma)", "defocus_modules", (0.1, 0.2, 0.3), (0.7, 1)),
    Distortion("moving", "modules while exposed", "shake_modules", (0.5, 1, 1.4), (2.2, 3)),
    Distortion("noise", "grey levels (sigma)", "noise_grey_levels", (10, 20, 40, 60), (150,)),
    Distortion("JPEG", "quality", "jpeg_quality", (90, 50, 30, 10, 5)),
    Distortion("JPEG, from afar", "quality", "jpeg_quality", (90, 50, 30), base=_FAR),
    Distortion("low contrast", "% of full", "contrast_percent", (50, 25, 15, 10), (2,)),
    Distortion("shadow over half of it", "% darker", "shadow_percent", (30, 50, 70, 90), (99,)),
    Distortion("reflection of a lamp", _RADIUS, "glare_modules", (2, 4, 6), (12,)),
    Distortion("thumb on the free corner", _RADIUS, "thumb_modules", (5, 10, 15), (25,)),
    Distortion("thumb on a corner mark", _RADIUS, "thumb_modules", (1, 2), (6, 10), _THUMB_ON_MARK),
    Distortion("light on dark", _PIXELS, "pixels_per_module", (5, 3), (1,), _INVERTED),
    Distortion("seen in a mirror", _PIXELS, "pixels_per_module", (5, 3), (1,), _MIRRORED),
)


def try_out(distortion: Distortion) -> list[Finding]:
    """Take the photographs of each strength and read them."""
    return [_try_strength(distortion, strength) for strength in distortion.strengths]


def _try_strength(distortion: Distortion, strength: float) -> Finding:
    started = time.perf_counter()
    read = misread = 0
    for customer in range(CODES_PER_STRENGTH):
        text = distortion.code(customer)
        # The field of the photograph that the distortion spoils goes by its name.
        photograph = replace(distortion.base, **{distortion.aspect: strength})  # type: ignore[arg-type]
        try:
            scanned = read_code(photograph.of(text, seed=customer), source="photograph")
        except NoCodeFound:
            continue
        read += 1
        misread += scanned.text != text
    return Finding(
        distortion=distortion,
        strength=strength,
        read=read,
        misread=misread,
        seconds=time.perf_counter() - started,
    )


def markdown_table(findings: Sequence[Finding]) -> str:
    """Return one line per distortion: what is always read, and what is refused."""
    lines = ["| Photograph | Measured in | Read | Refused |", "|---|---|---|---|"]
    for distortion in DISTORTIONS:
        own = [finding for finding in findings if finding.distortion is distortion]
        read = _strengths(finding for finding in own if finding.read == CODES_PER_STRENGTH)
        refused = _strengths(finding for finding in own if finding.read < CODES_PER_STRENGTH)
        lines.append(f"| {distortion.name} | {distortion.unit} | {read} | {refused} |")
    return "\n".join(lines) + "\n"


def report_entries(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return the findings in the form of every report of this project, one entry a distortion."""
    entries: list[dict[str, object]] = []
    for distortion in DISTORTIONS:
        own = [finding for finding in findings if finding.distortion is distortion]
        unread = sum(
            CODES_PER_STRENGTH - finding.read
            for finding in own
            if finding.strength in distortion.promised
        )
        entries.append(
            {
                "name": distortion.name,
                "trials": CODES_PER_STRENGTH * len(own),
                "failures": unread + sum(finding.misread for finding in own),
                "faults_fired": CODES_PER_STRENGTH * len(own),
                "mutants_killed": 0,
                "seconds": round(sum(finding.seconds for finding in own), 3),
                "figures": {
                    f"{finding.strength:g} {distortion.unit}": (
                        f"{finding.read} of {CODES_PER_STRENGTH} read"
                    )
                    for finding in own
                },
            }
        )
    return entries


def _strengths(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{finding.strength:g}" for finding in findings) or "-"
