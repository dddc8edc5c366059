"""What phones and terminals do besides, and what they do wrong."""

import uuid

from tallymark_load.scenarios.visit import Visit

__all__ = ["ask_for_nothing", "look_around", "open_till"]

DONE = "DONE"


async def look_around(visit: Visit) -> str:
    """Look at the wallet and the last purchases, show a code and put the phone away."""
    await visit.phone.wallet(visit.chain)
    await visit.chain.think()
    await visit.phone.processes(visit.chain, size=10)
    await visit.chain.think()
    await visit.phone.issue(visit.chain)
    await visit.chain.think()
    await visit.phone.revoke_codes(visit.chain)
    return DONE


async def open_till(visit: Visit) -> str:
    """Fetch the keys and the tag, as a terminal does now and then."""
    keys = await visit.terminal.verification_keys(visit.chain)
    await visit.terminal.tag(visit.chain)
    return DONE if keys else "NO KEYS"


async def ask_for_nothing(visit: Visit) -> str:
    """Ask for a process that there is not, at the till and on the phone."""
    nothing = f"00{uuid.UUID(int=visit.random.getrandbits(128)).hex}"
    await visit.terminal.look_for_process(visit.chain, nothing, expected="PROCESS_NOT_FOUND")
    await visit.chain.think()
    await visit.phone.look_for_receipt(visit.chain, nothing, expected="PROCESS_NOT_FOUND")
    return DONE
