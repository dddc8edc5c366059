"""The stage: a folder, the two servers, and every program as a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Output", "Stage"]

START_SECONDS: Final = 30.0
COMMAND_SECONDS: Final = 60.0
LOOK_AGAIN_SECONDS: Final = 0.02

PASSWORD: Final = "correct horse battery staple"  # noqa: S105 -- of a customer who lives for a minute


class Output(NamedTuple):
    """What a command printed, and how it ended."""

    exit_code: int
    text: str


class Stage:
    """Runs commands with homes of their own in one folder."""

    def __init__(self, folder: Path) -> None:
        """Take an empty folder."""
        self.folder = folder
        self.address = ""
        self.ca_file = ""
        self._programs = Path(sys.executable).parent
        self._environment = {
            **os.environ,
            "TALLYMARK_ADMIN_HOME": str(folder / "operator"),
            "TALLYMARK_PHONE_HOME": str(folder / "phone"),
            "TALLYMARK_PASSWORD": PASSWORD,
            "COLUMNS": "100",
        }

    @contextmanager
    def servers(self) -> Iterator[None]:
        """Run the credit institution and the server on free ports, and stop them at the end."""
        with ExitStack() as stack:
            institution = stack.enter_context(
                self._server("tallymark-institution", "simulate", "--listen", "127.0.0.1:0")
            )
            data = str(self.folder / "data")
            server = stack.enter_context(
                self._server(
                    "tallymark-server",
                    *("--data", data, "--institution", f"127.0.0.1:{institution['port']}"),
                    *("--listen", "127.0.0.1:0", "--terminal-listen", "127.0.0.1:0"),
                    *("--operator-listen", "127.0.0.1:0"),
                )
            )
            self.address = f"127.0.0.1:{server['port']}"
            self.ca_file = server["ca_file"]
            yield

    def run(self, program: str, *arguments: str, typed: str = "", home: str = "") -> Output:
        """Run a command to its end; `home` names the terminal that runs it."""
        environment = dict(self._environment)
        if home:
            environment["TALLYMARK_TERMINAL_HOME"] = str(self.folder / home)
        done = subprocess.run(
            [self._programs / f"tallymark-{program}", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environment,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Output(done.returncode, (done.stdout + done.stderr).strip("\n"))

    def must(self, program: str, *arguments: str, typed: str = "", home: str = "") -> str:
        """Run a command that has to succeed, and return what it printed."""
        output = self.run(program, *arguments, typed=typed, home=home)
        if output.exit_code:
            command = " ".join(("tallymark-" + program, *arguments))
            message = f"`{command}` ended with {output.exit_code}:\n{output.text}"
            raise RuntimeError(message)
        return output.text

    def read(self, program: str, *arguments: str, home: str = "") -> Any:  # noqa: ANN401 -- JSON
        """Run a command with --json and return what it says, whatever its exit code is."""
        return json.loads(self.run(program, *arguments, "--json", home=home).text)

    @contextmanager
    def beside(self, program: str, *arguments: str) -> Iterator[Callable[[], str]]:
        """Run a command beside others; call what is yielded to await its end and its output."""
        process = subprocess.Popen(
            [self._programs / f"tallymark-{program}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self._environment,
        )
        try:
            yield lambda: process.communicate(timeout=COMMAND_SECONDS)[0].strip("\n")
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=COMMAND_SECONDS)

    @contextmanager
    def _server(self, program: str, *arguments: str) -> Iterator[dict[str, Any]]:
        """Run a server until the end of the context; yield what its ready file says."""
        ready = self.folder / f"{program}.json"
        log = (self.folder / f"{program}.log").open("w")
        process = subprocess.Popen(
            [self._programs / program, *arguments, "--ready-file", str(ready)],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )
        try:
            self._await_file(ready, process)
            yield json.loads(ready.read_text())
        finally:
            process.terminate()
            process.wait(timeout=COMMAND_SECONDS)
            log.close()

    def _await_file(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not path.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"{path.stem} does not start; see {path.with_suffix('.log')}"
                raise RuntimeError(message)
            time.sleep(LOOK_AGAIN_SECONDS)
