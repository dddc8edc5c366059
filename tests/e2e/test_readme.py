"""What the README tells a newcomer to type does what it says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAMS: Final = Path(sys.executable).parent
SECONDS: Final = 120
"""Never reached by a test that passes."""


@contextmanager
def _server(folder: Path, program: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a server on free ports; yield what its ready file says when it says that it serves."""
    ready = folder / f"{program}.json"
    process = subprocess.Popen(
        [PROGRAMS / program, *arguments, "--listen", "127.0.0.1:0", "--ready-file", ready],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if re.search(r"(on|On) port [0-9]+", line):
                break
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"test_readme.py runs these lines -->\n```sh\n(.*?)```", readme, re.DOTALL)
    assert found is not None

    with (
        _server(tmp_path, "tallymark-institution", "simulate", "--print") as institution,
        _server(
            tmp_path,
            "tallymark-server",
            *("--data", "data", "--terminal-listen", "127.0.0.1:0"),
            *("--operator-listen", "127.0.0.1:0"),
            *("--institution", f"127.0.0.1:{institution['port']}"),
        ) as server,
    ):
        lines = found[1].replace("127.0.0.1:7420", f"127.0.0.1:{server['port']}")
        done = _shell(lines, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "11.30 EUR" in done.stdout, "12.30 less 100 points of one cent"
    assert re.search(r"Beans +5 ", done.stdout), "100 burned, 5 earned"


def test_the_demo_comes_out_as_expected() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((ROOT / "build" / "reports" / "demo.json").read_text())
    assert len(report) >= 11
    assert all(scene["expected"] == scene["got"] for scene in report)


def _shell(lines: str, folder: Path) -> subprocess.CompletedProcess[str]:
    homes = {
        f"TALLYMARK_{program}_HOME": str(folder / program.lower())
        for program in ("ADMIN", "PHONE", "TERMINAL")
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        env={**os.environ, **homes, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
