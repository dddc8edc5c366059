"""A terminal that a test types on."""

import os
import pty
from contextlib import ExitStack

__all__ = ["Keyboard"]


class Keyboard:
    """The customer's end of a terminal; `stdin` is the program's."""

    def __init__(self, stack: ExitStack) -> None:
        self._typist, terminal = pty.openpty()
        stack.callback(os.close, self._typist)
        self.stdin = stack.enter_context(os.fdopen(terminal, encoding="utf-8"))

    def type(self, text: str) -> None:
        os.write(self._typist, text.encode())
