"""The operator's command line as a person uses it, for tests."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tallymark_admin.main import program
from tests.doubles.operator_server import ServedOperatorService
from tests.doubles.operator_service import FIRST_ENROLMENT_CODE


class AdminProgram:
    """Runs commands with a home folder of their own against one server."""

    def __init__(self, folder: Path, *, address: str, enrolment_code: str) -> None:
        self.folder = folder
        self.address = address
        self.home = folder / "home"
        self.code_file = folder / "operator-enrolment-code"
        self.code_file.write_text(f"{enrolment_code}\n")

    def run(self, *arguments: str | Path) -> Result:
        """Run a command; no command ever prints the operator's secret or ends in a traceback."""
        options = ["--home", str(self.home), *map(str, arguments)]
        result = CliRunner().invoke(program, options, prog_name="tallymark-admin")
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert self._secret() not in result.output
        return result

    def succeed(self, *arguments: str | Path) -> str:
        """Run a command that must end with 0, and return what it printed to stdout."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def rows(self, *arguments: str) -> Any:
        """Run a command with --json and return what it printed."""
        return json.loads(self.succeed(*arguments, "--json"))

    def init(self) -> Result:
        """Enrol with the first code."""
        return self.run("init", "--server", self.address, "--enrolment-code-file", self.code_file)

    def set_up_shop(self) -> None:
        """Enrol and make a merchant, an event and a programme, as docs/operator.md shows."""
        assert self.init().exit_code == 0
        self.succeed(
            *("programmes", "create", "stamps", "--name", "City stamps"),
            *("--point-value", "0.01", "EUR"),
        )
        self.succeed(
            "merchants", "create", "shop", "--name", "Corner shop", "--programme", "stamps"
        )
        self.succeed("events", "create", "concert", "--merchant", "shop", "--name", "Concert")

    def write(self, name: str, *lines: str) -> Path:
        """Write a file of lines and return its path."""
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def _secret(self) -> str:
        path = self.home / "operator.json"
        return json.loads(path.read_text())["operator_secret"] if path.exists() else "\0"


class AdminOfDouble(AdminProgram):
    """Runs commands against the double, whose inside a test can reach."""

    def __init__(self, folder: Path, server: ServedOperatorService) -> None:
        super().__init__(folder, address=server.address, enrolment_code=FIRST_ENROLMENT_CODE)
        self.server = server
