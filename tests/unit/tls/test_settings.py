"""What may not be started: plain text where others can listen."""

from pathlib import Path
from typing import Any

import pytest

from tallymark_server.limits import Limits
from tallymark_server.passwords import UNSAFE_FAST_FOR_TESTS
from tallymark_server.settings import Settings


def settings(**changed: Any) -> Settings:
    usual: dict[str, Any] = {
        "data": Path("data"),
        "keys": Path("data/keys"),
        "listen": "127.0.0.1:7420",
        "terminal_listen": "127.0.0.1:7422",
        "operator_listen": "127.0.0.1:7421",
        "host_names": (),
        "unsafe_plain_text": False,
        "institution": "127.0.0.1:7430",
        "institution_ca_file": None,
        "ready_file": None,
        "clock_step_seconds_max": 5.0,
        "password_profile": UNSAFE_FAST_FOR_TESTS,
        "limits": Limits(),
    }
    return Settings(**{**usual, **changed})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_plain_text_stays_on_this_machine(host: str) -> None:
    address = f"{host}:7420"

    settings(
        listen=address, terminal_listen=address, operator_listen=address, unsafe_plain_text=True
    ).check()


@pytest.mark.parametrize("place", ["listen", "terminal_listen", "operator_listen"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7", "shop.example"])  # noqa: S104
def test_plain_text_is_not_for_the_network(place: str, host: str) -> None:
    with pytest.raises(RuntimeError, match="loopback"):
        settings(**{place: f"{host}:7420"}, unsafe_plain_text=True).check()

    settings(**{place: f"{host}:7420"}).check()


def test_card_numbers_leave_the_machine_by_tls_only(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="institution-ca-file"):
        settings(institution="bank.example:443").check()

    settings(institution="bank.example:443", institution_ca_file=tmp_path / "ca.pem").check()


def test_the_certificate_is_for_the_machine_and_for_what_the_operator_names() -> None:
    names = settings(
        listen="0.0.0.0:7420",
        terminal_listen="10.1.2.3:7422",
        operator_listen="[::1]:7421",
        host_names=("pay.example",),
    ).all_host_names()

    assert {"localhost", "127.0.0.1", "::1", "10.1.2.3", "pay.example"} <= set(names)
    assert not {"0.0.0.0", "[::1]", ""} & set(names)  # noqa: S104
    assert len(names) == len(set(names))
