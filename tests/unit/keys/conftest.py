"""Passphrases that are guessed in no time."""

import pytest
from argon2.profiles import CHEAPEST

from tallymark_server.keys import passphrase


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "RFC_9106_LOW_MEMORY", CHEAPEST)
