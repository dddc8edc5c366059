"""Install each program from its wheel into an environment of its own and import all of it.

The shared development environment hides an import of another program's package and a dependency
that is not declared; an environment of its own does not. The versions are those of the lock.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WHEELS: Final = ROOT / "build" / "wheels"
ENVIRONMENTS: Final = ROOT / "build" / "imports-check"
UV: Final = Path(sys.executable).parent / "uv"

PROGRAMS: Final = {
    "server": ["tallymark_server", "tallymark_admin"],
    "terminal_client": ["tallymark_terminal"],
    "phone_client": ["tallymark_phone"],
    "institution": ["tallymark_institution"],
    "load_client": ["tallymark_load"],
}

IMPORT_ALL: Final = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""


def main() -> int:
    """Return the number of programs that cannot be imported alone."""
    protos = build_wheel("protos")
    failures = 0
    for folder, packages in PROGRAMS.items():
        python = install_alone(folder, [protos, build_wheel(folder)])
        imported = subprocess.run([python, "-I", "-c", IMPORT_ALL, *packages], check=False)
        print(f"{folder}: {'imports alone' if imported.returncode == 0 else 'does NOT import'}")
        failures += imported.returncode != 0
    return failures


def build_wheel(folder: str) -> Path:
    """Return the wheel of a member, freshly built."""
    target = WHEELS / folder
    for old in target.glob("*.whl"):
        old.unlink()
    build = [sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={target}"]
    subprocess.run(build, cwd=ROOT / folder, check=True, capture_output=True)
    return next(target.glob("*.whl"))


def install_alone(folder: str, wheels: list[Path]) -> Path:
    """Return the Python of a new environment that holds these wheels and what they declare."""
    environment = ENVIRONMENTS / folder
    python = environment / "bin" / "python"
    _uv("venv", "--clear", "--python", sys.executable, environment)
    _uv("pip", "install", "--python", python, "--constraint", "requirements.lock", *wheels)
    return python


def _uv(*arguments: str | Path) -> None:
    subprocess.run([UV, "--quiet", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
