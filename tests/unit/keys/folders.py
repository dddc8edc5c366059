"""Folders of keys for tests, and faults while they are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never

import pytest

__all__ = ["PASSPHRASE", "cut_short_by"]

PASSPHRASE = b"correct horse battery staple"


@contextmanager
def cut_short_by(monkeypatch: pytest.MonkeyPatch, function: str) -> Iterator[None]:
    """Let a call fail inside the context, as if the power was cut, and expect that it was made."""

    def fail(*_: object, **__: object) -> Never:
        message = "the power is cut"
        raise OSError(message)

    with monkeypatch.context() as patch:
        patch.setattr(function, fail)
        with pytest.raises(OSError, match="the power is cut"):
            yield
