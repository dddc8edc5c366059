"""How Python looks for garbage while the server serves."""

import gc
from collections.abc import Mapping
from typing import Final

__all__ = ["spare_what_stays"]

MANY_OBJECTS: Final = 10_000
"""So many that outlived a full collection are spared the next: those of many waiting streams."""

TIMES_SPARED_MAX: Final = 100
"""Then all are looked at once more: few of what was spared can be garbage, but not none."""

_FULL: Final = 2


def spare_what_stays() -> None:
    """Leave out of later collections what was loaded until now, and what outlives a full one.

    A full collection walks through all that is not spared, and meanwhile nobody is answered: half
    a second with ten thousand waiting streams (measured). Those stay for long, and when they end
    they leave nothing that only a collection finds (measured, too).
    """
    gc.collect()
    gc.freeze()
    gc.callbacks.append(_Sparing())


class _Sparing:
    """Spares the many that a full collection has found to be in use."""

    def __init__(self) -> None:
        self._times = 0

    def __call__(self, phase: str, facts: Mapping[str, int]) -> None:
        if facts["generation"] != _FULL:
            return
        if phase == "start":
            self._look_at_all_again()
        elif len(gc.get_objects(_FULL)) >= MANY_OBJECTS:
            gc.freeze()
            self._times += 1

    def _look_at_all_again(self) -> None:
        if self._times >= TIMES_SPARED_MAX:
            gc.unfreeze()
            self._times = 0
