"""Clients show what they were told; a server whose data went back finds out, and stops."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import grpc
import pytest

from tallymark.v1 import terminal_service_pb2 as terminal
from tallymark_protocol.errors import TallymarkError, from_call
from tallymark_protocol.witness import WITNESS_KEY, Witness, read_witness
from tallymark_server.services.witnesses import Witnesses
from tests.integration.restoring.ground import Kept, Served
from tests.integration.restoring.test_terminal_reports import at_till
from tests.world.actions import burn
from tests.world.actor import DEADLINE_SECONDS, Actor

KEYS = terminal.ListVerificationKeysRequest()


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    """Keep a server that sold something after its whole folder was copied, keys and all."""
    kept = Kept.under(tmp_path)
    async with kept.served() as served:
        await sell(served)
    shutil.copytree(kept.data, tmp_path / "old data")
    shutil.copytree(kept.keys, tmp_path / "old keys")
    return kept


def put_all_back(kept: Kept, path: Path) -> None:
    """Put the old folders back, both of them: the mark fits the database."""
    for folder, old in ((kept.data, "old data"), (kept.keys, "old keys")):
        shutil.rmtree(folder)
        shutil.copytree(path / old, folder)


async def sell(served: Served) -> None:
    process = await served.till.resolve(await served.phone.issue(), burn(1))
    await served.till.complete(process.process_id)


async def told(actor: Actor, *, shows: str = "") -> str:
    """Call as a terminal that shows a witness; return the one of the answer."""
    metadata = ((WITNESS_KEY, shows),) if shows else ()
    call = actor.stub.ListVerificationKeys(KEYS, metadata=metadata, timeout=DEADLINE_SECONDS)
    try:
        await call
    except grpc.aio.AioRpcError as error:
        raise from_call(error) from None
    return str(dict(await call.trailing_metadata())[WITNESS_KEY])


async def reason(actor: Actor, **more: Any) -> str:
    try:
        await told(actor, **more)
    except TallymarkError as error:
        return str(error.reason)
    return "OK"


async def test_old_folders_with_their_keys_are_found_out_by_the_first_client_that_calls(
    kept: Kept, tmp_path: Path
) -> None:
    async with kept.served() as served:
        await sell(served)
        witness = await told(served.till)
    put_all_back(kept, tmp_path)

    async with kept.served() as served:
        assert served.recovery is None, "the mark went back with the database"
        assert await reason(served.till) == "OK"
        assert await reason(served.till, shows=witness) == "SHUTTING_DOWN"
        assert await reason(served.till) == "SHUTTING_DOWN", "nobody is served any more"
        await asyncio.wait_for(served.shop.world.app.stopped.wait(), DEADLINE_SECONDS)

    async with kept.served() as served:
        assert served.recovery is not None
        assert "a client has shown entry" in served.recovery.found_by
        assert served.recovery.epoch == 2
        assert served.recovery.lost_at_least > 0
        assert await reason(served.till, shows=witness) == "OK", "it is of an earlier epoch"

    async with kept.served() as served:
        assert served.high_water.shown is None, "it counts for one start"


async def test_a_copy_that_went_its_own_way_is_found_out_though_it_is_longer(
    kept: Kept, tmp_path: Path
) -> None:
    async with kept.served() as served:
        await sell(served)
        witness = await told(served.till)
    put_all_back(kept, tmp_path)

    async with kept.served() as served:
        for _ in range(6):
            await sell(served)
        head = await served.shop.world.store.journal_head(0)
        assert head.sequence > read_witness(witness).checkpoint.sequence
        assert await reason(served.till, shows=witness) == "SHUTTING_DOWN"


async def test_the_newest_witness_is_carried_by_the_terminal_program(
    kept: Kept, tmp_path: Path
) -> None:
    async with kept.served() as served, at_till(served, tmp_path) as till:
        await sell(served)
        await till.scan(await served.phone.issue())
        await till.terminal.upkeep.look_after()
    people, kept.people = kept.people, None
    put_all_back(kept, tmp_path)
    kept.people = people

    async with kept.served() as served:
        with pytest.raises(AssertionError):
            async with at_till(served, tmp_path):
                pass
        assert served.shop.world.app.witnesses.shown is not None


async def test_neither_a_stranger_nor_a_lying_terminal_can_stop_the_server(kept: Kept) -> None:
    async with kept.served() as served:
        witness = read_witness(await told(served.till))
        ahead = Witness(
            epoch=witness.epoch + 1,
            checkpoint=type(witness.checkpoint)(
                partition=0, sequence=10**9, hash_start=witness.checkpoint.hash_start
            ),
            mac=witness.mac,
        )
        # Beyond some 8,000 bytes of metadata gRPC itself refuses calls, by chance.
        for text in (str(ahead), "tmw1:x", "", "tmw1:" + "9" * 5_000, str(ahead)[:-1]):
            assert await reason(served.till, shows=text) == "OK"
        assert served.shop.world.app.witnesses.shown is None


async def test_what_was_told_before_is_true_and_looked_up_once(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept.served() as served:
        witness = await told(served.till)
        await sell(served)
    looked_up: list[Witness] = []
    whole = Witnesses._is_true  # noqa: SLF001 -- counted here

    async def counted(witnesses: Witnesses, one: Witness) -> bool:
        looked_up.append(one)
        return await whole(witnesses, one)

    monkeypatch.setattr(Witnesses, "_is_true", counted)
    async with kept.served() as served:
        for _ in range(3):
            assert await reason(served.till, shows=witness) == "OK"

    assert looked_up == [read_witness(witness)]


async def test_a_server_that_does_not_look_would_be_noticed(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: what clients show is not compared."""
    async with kept.served() as served:
        await sell(served)
        witness = await told(served.till)
    put_all_back(kept, tmp_path)
    monkeypatch.setattr(Witnesses, "hear", _nothing)

    async with kept.served() as served:
        assert await reason(served.till, shows=witness) == "OK"


async def _nothing(*_: object) -> None:
    """Hear nothing."""
