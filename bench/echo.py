"""A server that does nothing but answer: the ceiling of any server on gRPC for Python.

It is set up as the server's port for terminals is (mutual TLS, event loop, garbage collection), and
gives the answers that it was told at the start, whatever it is asked. There are two services for
each kind of answers: BYTES hands bytes to bytes and is the ceiling; MESSAGES reads the request as
the message that it is and writes the answer anew, which any server that looks at its requests has
to do.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from bench.echo_server import BYTES, MESSAGES, READY, Answers, path
from bench.load import Address
from bench.processes import pinned
from tallymark_protocol.tls import ClientIdentity
from tests.e2e.served import Program

__all__ = ["BYTES", "MESSAGES", "Echo", "echo", "path"]

ECHO: Final = "from bench.echo_server import main; main()"


class Echo(NamedTuple):
    """A serving echo."""

    address: Address
    pid: int


@asynccontextmanager
async def echo(answers: Answers) -> AsyncIterator[Echo]:
    """Run a server on the core of servers that gives these answers."""
    told = {
        kind: {rpc: answer.hex() for rpc, answer in of_kind.items()}
        for kind, of_kind in answers.items()
    }
    program = await Program.start(pinned(ECHO), json.dumps(told))
    try:
        await program.says(READY)
        assert program.process.returncode is None, program.output
        line = next(line for line in program.lines if line.startswith(READY))
        target, ca_pem, *identity = json.loads(line.removeprefix(READY))
        yield Echo(Address(target, ca_pem, ClientIdentity(*identity)), program.process.pid)
    finally:
        await program.kill()
