"""The local check, step by step, with the numbers of code_check.py."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_format import CODE_TEXT_CHARACTERS_MAX, sign
from tallymark_protocol.code_keys import VerificationKey
from tallymark_protocol.errors import TallymarkError, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tallymark_terminal.code_check import (
    KEYS_AGE_SECONDS_MAX,
    KEYS_AGE_SECONDS_MIN,
    CheckStep,
    CodeCheck,
    RefusedHere,
)
from tallymark_terminal.identification import CodeReference
from tallymark_terminal.key_table import KeyTable
from tallymark_terminal.server_clock import ServerClock, ServerTime

SERVER_SECONDS = 1_900_000_000.0
KEYS = {number: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2)}
CTI = bytes(range(20))


class Server:
    """Keys, epoch and time as the terminal can fetch them."""

    def __init__(self) -> None:
        self.steady_seconds = 50.0
        self.time_seconds = SERVER_SECONDS
        self.uncertainty_seconds = 0.0
        self.key_ids = [1]
        self.valid_from_seconds = 0
        self.valid_until_seconds = 4_000_000_000
        self.epoch = 7
        self.fetched_at: list[float] = []
        self.error: TallymarkError | None = None

    def steady(self) -> float:
        return self.steady_seconds

    async def sleep(self, seconds: float) -> None:
        self.steady_seconds += max(0, seconds)
        self.time_seconds += max(0, seconds)
        await asyncio.sleep(0)

    async def fetch(self) -> KeyTable:
        if self.error is not None:
            raise self.error
        self.fetched_at.append(self.steady_seconds)
        return KeyTable(
            keys=tuple(
                VerificationKey(
                    key_id=number,
                    public_key=KEYS[number].public_key(),
                    valid_from_seconds=self.valid_from_seconds,
                    valid_until_seconds=self.valid_until_seconds,
                )
                for number in self.key_ids
            ),
            epoch=self.epoch,
            read_at=ServerTime(
                server_seconds=self.time_seconds,
                steady_seconds=self.steady_seconds,
                uncertainty_seconds=self.uncertainty_seconds,
            ),
        )


class Memory:
    """Which codes were seen here before."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    async def find(self, reference: CodeReference) -> datetime | None:
        is_seen = reference.cti_hash in self.seen
        return datetime(2030, 3, 17, 12, 3, tzinfo=UTC) if is_seen else None


def code(
    *,
    expires_in: float = 60,
    key_id: int = 1,
    header_key_id: int | None = None,
    epoch: int = 7,
    audience: str | None = None,
) -> str:
    claims = CodeClaims(expires_at=int(SERVER_SECONDS + expires_in), cti=CTI, audience=audience)
    number = key_id if header_key_id is None else header_key_id
    return sign(claims, key_id=number, private_key=KEYS[key_id], epoch=epoch)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def check(server: Server, memory: Memory) -> CodeCheck:
    return CodeCheck(
        terminal_id="till-1",
        clock=ServerClock(steady=server.steady),
        fetch_keys=server.fetch,
        find_earlier_use=memory.find,
        sleep=server.sleep,
    )


MALFORMED = Reason.CODE_MALFORMED
REFUSED_BY_STEP: dict[str, tuple[CheckStep, Reason, Callable[[], str]]] = {
    "1 too long": (CheckStep.SIZE, MALFORMED, lambda: "TM1:" + "A" * 463),
    "2 small letters": (CheckStep.DECODE, MALFORMED, lambda: "TM1:" + code()[4:].lower()),
    "2 cut off": (CheckStep.DECODE, MALFORMED, lambda: code()[:-1]),
    "2 continued": (CheckStep.DECODE, MALFORMED, lambda: code() + "00"),
    "2 empty": (CheckStep.DECODE, MALFORMED, lambda: "TM1:"),
    "3 later version": (CheckStep.VERSION, MALFORMED, lambda: "TM2:" + code()[4:]),
    "3 foreign text": (CheckStep.VERSION, MALFORMED, lambda: "https://example.org"),
    "3 no text": (CheckStep.VERSION, MALFORMED, lambda: ""),
    "4 unknown key": (CheckStep.SIGNATURE, Reason.CODE_KEY_UNKNOWN, lambda: code(key_id=2)),
    "4 forged": (
        CheckStep.SIGNATURE,
        Reason.CODE_NOT_GENUINE,
        lambda: code(key_id=2, header_key_id=1),
    ),
    "4 older epoch": (CheckStep.SIGNATURE, Reason.CODE_NOT_GENUINE, lambda: code(epoch=6)),
    "5 expired": (CheckStep.FRESHNESS, Reason.CODE_EXPIRED, lambda: code(expires_in=-1)),
    "5 just expired": (CheckStep.FRESHNESS, Reason.CODE_EXPIRED, lambda: code(expires_in=0)),
    "7 for another terminal": (
        CheckStep.FOR_THIS_TERMINAL,
        Reason.CODE_FOR_OTHER_TERMINAL,
        lambda: code(audience="till-2"),
    ),
}


@pytest.mark.parametrize("case", list(REFUSED_BY_STEP))
async def test_step_refuses_what_it_is_for(check: CodeCheck, case: str) -> None:
    step, reason, make = REFUSED_BY_STEP[case]

    with pytest.raises(RefusedHere) as refused:
        await check.check(make())

    assert (refused.value.step, refused.value.reason) == (step, reason)
    assert int(case[0]) == step


async def test_step_6_refuses_a_code_that_was_seen_here_and_tells_when(
    check: CodeCheck, memory: Memory
) -> None:
    shown = await check.check(code())
    memory.seen.add(shown.reference.cti_hash)

    with pytest.raises(RefusedHere) as refused:
        await check.check(code())

    assert (refused.value.step, refused.value.reason) == (
        CheckStep.NOT_SEEN,
        Reason.CODE_ALREADY_CLAIMED,
    )
    assert refused.value.seen_at == datetime(2030, 3, 17, 12, 3, tzinfo=UTC)


async def test_good_code_passes_with_its_reference(check: CodeCheck) -> None:
    shown = await check.check(code())

    assert shown.text == code()
    assert shown.reference.expires_at_seconds == int(SERVER_SECONDS + 60)
    assert code() not in repr(shown)


async def test_code_bound_to_this_terminal_passes(check: CodeCheck) -> None:
    assert (await check.check(code(audience="till-1"))).reference.partition == CTI[0]


async def test_longest_code_is_not_too_long(check: CodeCheck) -> None:
    with pytest.raises(RefusedHere) as refused:
        await check.check("TM1:" + "A" * (CODE_TEXT_CHARACTERS_MAX - 4))

    assert refused.value.step is CheckStep.DECODE


async def test_no_refusal_repeats_the_code(check: CodeCheck) -> None:
    with pytest.raises(RefusedHere) as refused:
        await check.check(code(epoch=6))

    assert code(epoch=6)[4:30] not in repr(refused.value)


async def test_freshness_follows_the_servers_time_though_the_own_clock_is_years_off(
    check: CodeCheck, server: Server
) -> None:
    await check.check(code(expires_in=60))
    server.steady_seconds += 61

    with pytest.raises(RefusedHere) as refused:
        await check.check(code(expires_in=60))

    assert refused.value.step is CheckStep.FRESHNESS


async def test_uncertain_time_never_refuses_what_the_server_may_still_take(
    check: CodeCheck, server: Server
) -> None:
    server.uncertainty_seconds = 1.5

    assert (await check.check(code(expires_in=-1))).reference.partition == CTI[0]


async def test_unknown_key_is_looked_for_once_more_at_the_server(
    check: CodeCheck, server: Server
) -> None:
    await check.check(code())
    server.key_ids = [1, 2]
    await server.sleep(6)

    assert (await check.check(code(key_id=2))).reference.partition == CTI[0]
    assert len(server.fetched_at) == 2


async def test_new_epoch_is_learned_from_the_server(check: CodeCheck, server: Server) -> None:
    await check.check(code())
    server.epoch = 8
    await server.sleep(6)

    assert (await check.check(code(epoch=8))).reference.partition == CTI[0]


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.999, 1.0, 1.1])
async def test_code_of_a_key_that_was_changed_just_after_the_keys_were_read_is_not_refused(
    check: CodeCheck, server: Server, seconds: float
) -> None:
    await check.keys()
    server.key_ids = [2]
    await server.sleep(seconds)

    assert (await check.check(code(key_id=2))).reference.partition == CTI[0]


async def change_keys_under_load(check: CodeCheck, server: Server) -> None:
    """Change the key with every code."""
    for number in (1, 2) * 10:
        server.key_ids = [number]
        await server.sleep(0.01)
        assert (await check.check(code(key_id=number))).reference.partition == CTI[0]


async def test_key_is_changed_with_every_code_and_none_is_refused(
    check: CodeCheck, server: Server
) -> None:
    await change_keys_under_load(check, server)


async def test_changing_keys_finds_a_check_that_goes_by_the_keys_it_has(
    check: CodeCheck, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keys_at_hand(check: CodeCheck, _: float) -> KeyTable:
        return await check.keys()

    monkeypatch.setattr(CodeCheck, "_keys_since", keys_at_hand)

    with pytest.raises(RefusedHere):
        await change_keys_under_load(check, server)


async def test_forged_codes_make_the_terminal_ask_exactly_once_per_interval(
    check: CodeCheck, server: Server
) -> None:
    for _ in range(50):
        with pytest.raises(RefusedHere):
            await check.check(code(key_id=2, header_key_id=1))

    pauses = [
        after - before
        for before, after in zip(server.fetched_at, server.fetched_at[1:], strict=False)
    ]
    assert set(pauses) == {KEYS_AGE_SECONDS_MIN}


async def test_code_is_not_refused_when_the_keys_cannot_be_read_again(
    check: CodeCheck, server: Server
) -> None:
    await check.keys()
    await server.sleep(1)
    server.error = UnknownOutcome(None)

    with pytest.raises(UnknownOutcome):
        await check.check(code(key_id=2))


@pytest.mark.parametrize("uncertainty_seconds", [0.0, 0.4, 2.5])
async def test_first_code_of_a_new_key_is_not_refused_for_an_uncertain_clock(
    check: CodeCheck, server: Server, uncertainty_seconds: float
) -> None:
    server.valid_from_seconds = int(SERVER_SECONDS)
    # The server looked at its clock as late as it can have, so the time here is behind.
    server.uncertainty_seconds = uncertainty_seconds
    server.time_seconds = SERVER_SECONDS - uncertainty_seconds

    assert (await check.check(code())).reference.partition == CTI[0]


@pytest.mark.parametrize(
    ("edge", "seconds"), [("valid_from_seconds", 5), ("valid_until_seconds", 0)]
)
async def test_key_is_refused_before_its_time_and_after_it(
    check: CodeCheck, server: Server, edge: str, seconds: int
) -> None:
    setattr(server, edge, int(SERVER_SECONDS) + seconds)

    with pytest.raises(RefusedHere) as refused:
        await check.check(code())

    assert refused.value.reason is Reason.CODE_KEY_UNKNOWN


async def test_keys_that_two_ask_for_at_once_are_read_once(
    check: CodeCheck, server: Server
) -> None:
    await asyncio.gather(check.keys(), check.keys())

    assert len(server.fetched_at) == 1


async def test_old_keys_are_read_again(check: CodeCheck, server: Server) -> None:
    await check.check(code())
    server.steady_seconds += KEYS_AGE_SECONDS_MAX + 1
    server.time_seconds = SERVER_SECONDS

    assert (await check.check(code())).reference.partition == CTI[0]
    assert len(server.fetched_at) == 2


@given(position=st.integers(min_value=0, max_value=159), character=st.characters())
async def test_any_changed_character_is_refused(position: int, character: str) -> None:
    server, memory = Server(), Memory()
    check = CodeCheck(
        terminal_id="till-1",
        clock=ServerClock(steady=server.steady),
        fetch_keys=server.fetch,
        find_earlier_use=memory.find,
        sleep=server.sleep,
    )
    good = code()
    changed = good[:position] + character + good[position + 1 :]
    if changed == good:
        return

    with pytest.raises(RefusedHere):
        await check.check(changed)
