"""The operator's command line as a person uses it, for tests."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tallymark_admin.main import program
from tallymark_protocol.enrolment_file import EnrolmentFile
from tests.doubles.operator_access import FIRST_ENROLMENT_CODE
from tests.doubles.operator_server import ServedOperatorService


class AdminProgram:
    """Runs commands with a home folder of their own against one server."""

    def __init__(self, folder: Path, *, address: str, enrolment: EnrolmentFile) -> None:
        self.folder = folder
        self.address = address
        self.home = folder / "home"
        self.code_file = folder / "operator-enrolment-code"
        self.code_file.write_text(f"{enrolment.to_text()}\n")

    def run(self, *arguments: str | Path, typed: str | None = None) -> Result:
        """Run a command; none ever prints a private key or ends in a traceback."""
        options = ["--home", str(self.home), *map(str, arguments)]
        result = CliRunner().invoke(program, options, prog_name="tallymark-admin", input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        assert not any(line in result.output for line in self._lines_of_keys())
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

    def _lines_of_keys(self) -> list[str]:
        """Return the lines of every private key in the folder that tell something of it."""
        keys = [
            path.read_text().splitlines()[1:-1] for path in self.home.glob("identity-*/key.pem")
        ]
        return [line for lines in keys for line in lines]


class AdminOfDouble(AdminProgram):
    """Runs commands against the double, whose inside a test can reach."""

    def __init__(self, folder: Path, server: ServedOperatorService) -> None:
        enrolment = EnrolmentFile(
            enrolment_code=FIRST_ENROLMENT_CODE,
            ca_certificates_pem=server.service.authority.certificate_pem,
        )
        super().__init__(folder, address=server.address, enrolment=enrolment)
        self.server = server
