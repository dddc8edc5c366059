"""G2 and G21: a server that is killed, or whose disk fails, at a write or a sync."""

import pytest

from tallymark_protocol.errors import UnknownOutcome
from tests.crash.servers import Server, started
from tests.crash.strace import SYNC, attached, database_files
from tests.crash.walk import FAULTS, Fault, Ground, walk
from tests.proof import Proof
from tests.world.contract import rpc_named
from tests.world.stage import Stage

pytestmark = [pytest.mark.guarantee, pytest.mark.asyncio(loop_scope="session")]

KILLED, EIO, ENOSPC = FAULTS


@pytest.mark.parametrize(
    ("name", "path", "fault"),
    [
        ("G2 answers after kills", "TerminalService/CompleteProcess", KILLED),
        ("G21 answers after disk errors", "CustomerService/RegisterCard", EIO),
        ("G21 answers on a full disk", "OperatorService/AddPoints", ENOSPC),
    ],
    ids=["killed", "EIO", "ENOSPC"],
)
async def test_a_request_is_there_as_a_whole_or_not_at_all(
    ground: Ground, proof: Proof, name: str, path: str, fault: Fault
) -> None:
    walked = await walk(ground, rpc_named(path), fault, numbers=(1, 4))

    assert walked.broken == []
    assert walked.recovered == walked.boundaries
    proof.record(
        name,
        trials=walked.boundaries + walked.acknowledged,
        failures=walked.lost,
        faults_fired={fault.name: walked.boundaries},
    )


async def test_a_server_that_goes_on_after_a_failed_sync_would_be_noticed(ground: Ground) -> None:
    """The planted bug: the failure is logged, and the request answered all the same."""
    rpc = rpc_named("CustomerService/RegisterCard")

    walked = await walk(ground, rpc, EIO, bug="goes_on_after_a_failure", numbers=(1,))

    assert walked.lost


@pytest.mark.parametrize("bug", ["copies_the_log_often", "lets_sqlite_copy_the_log"])
async def test_a_disk_that_takes_no_checkpoint_stops_the_server(ground: Ground, bug: str) -> None:
    """The planted bug: SQLite copies its log by itself, and keeps the error to itself."""
    with ground.copied() as folder:
        database, _ = database_files(folder)
        async with started(Server(folder, bug=bug)) as site:
            stage = await ground.stage_on(site)
            async with attached(
                site.server.pid, paths=[database], call=SYNC, fault="error=EIO", at="1+"
            ):
                answers = await answers_until_it_ends(stage, answers_max=30)
            code = 0 if site.server.is_running else await site.server.ended()
            says = site.server.output

    if bug == "lets_sqlite_copy_the_log":
        assert (code, answers) == (0, 30)
    else:
        assert code == 3
        assert answers < 30
        assert "stopped by itself: the database failed: the disk reports an error" in says


async def answers_until_it_ends(stage: Stage, *, answers_max: int) -> int:
    for number in range(answers_max):
        try:
            await stage.ana.issue()
        except UnknownOutcome:
            await stage.world.server.ended()  # type: ignore[attr-defined]  # a site has it
            return number
    return answers_max
