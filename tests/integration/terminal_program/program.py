"""The program `tallymark-terminal` as a process of its own, with a double of the server."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno

from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_terminal.home import Home
from tallymark_terminal.identity import Identity
from tests.doubles.terminal_access import ENROLMENT_CODE
from tests.doubles.terminal_service import TerminalServiceDouble

ENDS_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a finished program left behind."""

    exit_code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that it printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def only(self) -> dict[str, Any]:
        """The one JSON object that it printed."""
        (one,) = self.objects
        return one


@dataclass(frozen=True, kw_only=True)
class Program:
    """Starts the program with one folder."""

    double: TerminalServiceDouble
    address: str
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    async def start(self, *arguments: str) -> Process:
        """Start it with a pipe at each end."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tallymark_terminal",
            "--home",
            str(self.home),
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, *arguments: str, typed: str = "") -> Ended:
        """Run it to its end."""
        return await self.end(await self.start(*arguments), typed=typed)

    async def end(self, process: Process, *, typed: str = "") -> Ended:
        """Wait for its end."""
        async with asyncio.timeout(ENDS_WITHIN_SECONDS):
            out, err = await process.communicate(typed.encode())
        assert process.returncode is not None
        return Ended(exit_code=process.returncode, out=out.decode(), err=err.decode())

    def enrol(self) -> None:
        """Leave in the folder what enrolment leaves; test_enrol.py runs the command itself."""
        self.double.access.enrol_home(Home(self.home), server=self.double.terminal_address)

    def enrolment_file(self, *, code: str = ENROLMENT_CODE, trusted: str | None = None) -> str:
        """Write the file that an operator hands out, and return its path."""
        authority = self.double.access.authority.certificate_pem if trusted is None else trusted
        path = self.folder / "enrolment.txt"
        given = EnrolmentFile(enrolment_code=code, ca_certificates_pem=authority)
        path.write_text(given.to_text())
        return str(path)

    def identity(self) -> Identity:
        """Return who the terminal is, as its folder has it."""
        return Home(self.home).read_identity()

    def picture(self, text: str, name: str = "code.png") -> str:
        """Make a picture of a code and return its path."""
        path = self.folder / name
        segno.make(text, error="m").save(str(path), scale=4, border=4)
        return str(path)

    def new_picture(self) -> str:
        """Make a picture of a new code and return its path."""
        return self.picture(self.double.issue_code())
