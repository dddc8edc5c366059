"""Compare the contracts with the last release, or with the first commit that had any.

Before 1.0 a break is let pass when the Unreleased part of CHANGELOG.md announces it with a line
that starts with "- Contract break:".
"""

import io
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CONTRACTS: Final = "protos/tallymark"
PROTO_DEPENDENCIES: Final = "build/proto-deps"
BUF: Final = Path(sys.executable).parent / "buf"


def main() -> int:
    """Return 0 if nothing that callers rely on has changed unannounced."""
    base = find_base()
    if base is None:
        print("No commit has contracts yet; nothing to compare with.")
        return 0
    with tempfile.TemporaryDirectory() as old_tree:
        check_out_contracts(base, Path(old_tree))
        compared = subprocess.run([BUF, "breaking", "--against", old_tree], cwd=ROOT, check=False)
    if compared.returncode == 0:
        return 0
    if is_before_1_0() and is_break_announced():
        print(f"Differs from {base}; CHANGELOG.md announces it.")
        return 0
    print(f"Breaks callers of {base}.")
    print('Before 1.0 a line "- Contract break: ..." under Unreleased in CHANGELOG.md allows it.')
    return 1


def find_base() -> str | None:
    """Return the newest release tag, else the first commit with contracts, else None."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*").strip()
    if tag:
        return tag
    commits = _git("log", "--reverse", "--format=%H", "--", CONTRACTS).split()
    return commits[0] if commits else None


def check_out_contracts(base: str, folder: Path) -> None:
    """Lay the contracts of a commit into a folder, with today's settings and dependencies.

    Buf can read a commit itself, but then it misses validate.proto, which is in none.
    """
    archive = subprocess.run(
        ["git", "archive", "--format=zip", base, CONTRACTS],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    with zipfile.ZipFile(io.BytesIO(archive.stdout)) as files:
        files.extractall(folder)
    shutil.copy(ROOT / "buf.yaml", folder)
    shutil.copytree(ROOT / PROTO_DEPENDENCIES, folder / PROTO_DEPENDENCIES)


def is_before_1_0() -> bool:
    """Tell whether the contracts' own version still allows breaks."""
    project = tomllib.loads((ROOT / "protos" / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"]).startswith("0.")


def is_break_announced() -> bool:
    """Tell whether the Unreleased part of the changelog has a line about a contract break."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    unreleased = changelog.partition("## [Unreleased]")[2].partition("\n## ")[0]
    return any(line.startswith("- Contract break:") for line in unreleased.splitlines())


def _git(*arguments: str) -> str:
    """Return what git prints, or nothing if it fails, as it does without any tag or commit."""
    answered = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return answered.stdout if answered.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
