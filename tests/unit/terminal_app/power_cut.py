"""A power cut at any step that a program takes on its files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = ["PowerCut", "PowerSupply"]


class PowerCut(BaseException):
    """The program ends here; nothing catches it."""


class PowerSupply:
    """Counts the steps that change files, and can end the program before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        self.cut_before: int | None = None
        monkeypatch.setattr(os, "fsync", self._counted(os.fsync))
        monkeypatch.setattr(os, "open", self._counted(os.open))
        monkeypatch.setattr(Path, "replace", self._counted(Path.replace))
        monkeypatch.setattr(Path, "unlink", self._counted(Path.unlink))

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if self.steps == self.cut_before:
                raise PowerCut
            self.steps += 1
            return step(*arguments, **named)

        return counted
