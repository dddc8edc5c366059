"""Somebody without credentials."""

from tallymark.v1 import terminal_service_pb2
from tests.world.messages import certificate_request, new_id
from tests.world.world import World


async def test_guessed_enrolment_codes_leave_nothing_in_the_database(in_memory: World) -> None:
    till = await in_memory.add_terminal()
    before = await in_memory.store.journal_head(0)

    for _ in range(20):
        request = terminal_service_pb2.EnrollRequest(
            request_id=new_id(),
            enrolment_code="tme_guessed",
            certificate_request=certificate_request(),
        )
        assert await till.reason("Enroll", request) == "ENROLMENT_CODE_INVALID"

    assert await in_memory.store.journal_head(0) == before
