"""Nobody believes the clocks of phones and terminals: they may be a day wrong, and nothing changes.

Elsewhere a ticket's window was checked by the scanner's own clock, or by a time in the request.
"""

import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace

import pytest
from google.protobuf.descriptor import Descriptor

from tallymark_phone import clock as phone_clock
from tallymark_phone import request_ids as phone_ids
from tallymark_phone.registrations import CodeChoice
from tallymark_phone.server_connection import PhoneConnection
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_terminal import app as terminal_app
from tallymark_terminal import look_commands
from tallymark_terminal.home import Home
from tallymark_terminal.sale_results import Outcome
from tests.integration.terminal_sales.test_with_server import Till, enrol, opened
from tests.integration.test_phone_with_server import connect
from tests.world.actions import ADMIT, burn
from tests.world.clock import START
from tests.world.contract import RPCS, Rpc
from tests.world.shop import Shop
from tests.world.terminal import Terminal
from tests.world.world import World

A_DAY = 86_400.0

TIMES = {"google.protobuf.Timestamp", "google.protobuf.Duration"}

CLIENT_RPCS = [rpc for rpc in RPCS if rpc.caller in {"customer", "terminal"}]

ROOT = Path(__file__).parents[3]

ASKING = (terminal_app, look_commands, phone_clock, phone_ids)
"""Modules that ask for this computer's time: for ids, for notes, and to show how wrong it is."""

ODD_TIMES = [0, 1, START // 2, START - 86_400_000, START + 86_400_000, 2**48 - 1]
"""Milliseconds since 1970 that a request's own id claims."""


def times_in(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the paths of all times in a message."""
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.full_name in seen:
            continue
        if inner.full_name in TIMES:
            yield f"{message.full_name}.{field.name}"
        yield from times_in(inner, seen | {message.full_name})


@pytest.mark.parametrize("rpc", CLIENT_RPCS, ids=str)
def test_no_request_of_a_phone_or_terminal_says_what_time_it_is(rpc: Rpc) -> None:
    assert list(times_in(rpc.request_type)) == []


def test_a_time_in_a_request_would_be_noticed() -> None:
    """Operators name times: when a ticket is good. So the search finds some there."""
    operators = [rpc for rpc in RPCS if rpc.name == "AddTickets"]

    assert any(list(times_in(rpc.request_type)) for rpc in operators)


def id_of_time(milliseconds: int) -> str:
    """Return a request_id that says it was made then (UUID version 7, RFC 9562)."""
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | uuid.uuid4().int >> 66))


@pytest.mark.parametrize("milliseconds", ODD_TIMES)
async def test_the_time_in_a_request_id_decides_nothing(kept_shop: Shop, milliseconds: int) -> None:
    request = kept_shop.till.resolve_request(
        await kept_shop.phone.issue(), burn(1), ADMIT, request_id=id_of_time(milliseconds)
    )

    first = await kept_shop.till.call("ResolveCode", request)
    kept_shop.world.clock.move(seconds=A_DAY)
    again = await kept_shop.till.call("ResolveCode", request)

    assert first.process.created_at.ToMilliseconds() == START
    assert again.process.process_id == first.process.process_id


def test_these_modules_alone_ask_what_time_it_is_here() -> None:
    asking = {
        str(path.relative_to(ROOT / client))
        for client in ("terminal_client", "phone_client")
        for path in (ROOT / client).rglob("*.py")
        if re.search(r"time\.time(_ns)?\b|datetime\.now|date\.today", path.read_text())
    }

    assert asking == {f"{module.__name__.replace('.', '/')}.py" for module in ASKING}


class WrongDatetime(datetime):
    """Dates of a computer whose clock is wrong."""

    fast_by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "WrongDatetime":
        return super().now(tz) + cls.fast_by


@pytest.fixture(params=[A_DAY, -A_DAY], ids=["a day fast", "a day slow"])
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock wrong wherever phone and terminal ask for it."""
    fast_by = request.param
    wrong_time = SimpleNamespace(
        **{
            **vars(time),
            "time": lambda: time.time() + fast_by,
            "time_ns": lambda: time.time_ns() + round(fast_by * 1e9),
        }
    )
    monkeypatch.setattr(WrongDatetime, "fast_by", timedelta(seconds=fast_by))
    for module in ASKING:
        if hasattr(module, "time"):
            monkeypatch.setattr(module, "time", wrong_time)
        if hasattr(module, "datetime"):
            monkeypatch.setattr(module, "datetime", WrongDatetime)


@pytest.fixture
async def till(shop: Shop, tmp_path: Path) -> AsyncIterator[Till]:
    home = Home(tmp_path / "till-9")
    await enrol(shop, home)
    async with opened(shop, home) as one:
        yield one


@pytest.mark.usefixtures("wrong_clock")
async def test_a_terminal_with_a_wrong_clock_sells(till: Till) -> None:
    assert await till.scan(await till.shop.phone.issue()) is Outcome.EXECUTED


@pytest.mark.usefixtures("wrong_clock")
async def test_a_terminal_with_a_wrong_clock_refuses_a_code_whose_time_is_over(till: Till) -> None:
    code = await till.shop.phone.issue()
    till.shop.world.clock.move(seconds=61)
    await till.terminal.check.keys(age_seconds_max=-1)

    assert await till.scan(code) is Outcome.REFUSED_HERE
    assert till.shown()["error"]["reason"] == "CODE_EXPIRED"


@pytest.mark.usefixtures("wrong_clock")
async def test_the_code_of_a_phone_with_a_wrong_clock_lives_by_the_servers(
    in_memory: World,
) -> None:
    till = await in_memory.add_terminal()
    async with _phone(in_memory) as phone:
        await phone.register_customer(
            login_name="ana", password="correct horse battery", device_name="Phone"
        )
        good = (await phone.issue_code(CodeChoice())).text
        assert await _is_taken(till, good)
        late = (await phone.issue_code(CodeChoice())).text
        in_memory.clock.move(seconds=60)
        assert not await _is_taken(till, late)


def _phone(served: World) -> PhoneConnection:
    return connect(served, DevicePrivateKey.generate())


async def _is_taken(till: Terminal, code: str) -> bool:
    return await till.reason("ResolveCode", till.resolve_request(code, burn(1))) == "OK"
