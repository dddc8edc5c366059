import pytest

from tallymark_server.lanes import purger


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purger, "REST_TIMES", 0)
    monkeypatch.setattr(purger, "ROWS_A_STEP", 7)
