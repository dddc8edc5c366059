"""Rules of the workspace that no other tool checks."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
MEMBERS: Final = (
    "protos",
    "server",
    "terminal_client",
    "phone_client",
    "institution",
    "load_client",
)
PROJECT_FILES: Final = ("pyproject.toml", *(f"{member}/pyproject.toml" for member in MEMBERS))

# In pieces, so that this file names none of them.
REGISTRY_HOSTS: Final = tuple(
    ".".join(pieces)
    for pieces in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("maven", "org"),
        ("apache", "org/maven2"),
        ("deb", "debian", "org"),
    ]
)

# What tallymark-protos brings: its own packages, and the distributions its interface is made of.
SHARED_PACKAGES: Final = {"buf", "tallymark", "tallymark_protocol"}
SHARED_DISTRIBUTIONS: Final = {"protobuf", "googleapis-common-protos"}

# The rules must be testable without a network, a database or a message.
KEPT_OUT_OF_DOMAIN: Final = {
    "aiosqlite",
    "asyncio",
    "asyncpg",
    "google",
    "grpc",
    "sqlite3",
    "tallymark",
}


def committed_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_committed_file_names_a_package_registry() -> None:
    naming = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in committed_files()
        for host in REGISTRY_HOSTS
        if host in path.read_text("utf-8", errors="ignore")
    ]

    assert naming == []


@pytest.mark.parametrize("project_file", PROJECT_FILES)
def test_each_dependency_says_why_it_is_there(project_file: str) -> None:
    lines = (ROOT / project_file).read_text("utf-8").splitlines()
    is_dependency = re.compile(r'^    "[A-Za-z][\w.\[\]-]*(?:[<>=~!][^"]*)?",$').match
    lists = re.compile(r"^(dependencies|[a-z]+) = \[$").match

    unexplained = []
    is_in_list = False
    for before, line in pairwise(lines):
        if line.startswith("[tool"):
            break
        is_in_list = is_in_list or bool(lists(line))
        if is_in_list and is_dependency(line) and not before.startswith("    # "):
            unexplained.append(line.strip())

    assert unexplained == []


@pytest.mark.parametrize("member", MEMBERS)
def test_the_lock_knows_each_dependency(member: str) -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))

    unknown = declared_distributions(member) - locked - {"tallymark-protos"}

    assert unknown == set(), "run make lock"


@pytest.mark.parametrize("member", MEMBERS)
def test_each_program_declares_what_it_imports(member: str) -> None:
    declared = declared_distributions(member) | SHARED_DISTRIBUTIONS
    own = {path.parent.name for path in (ROOT / member).glob("*/__init__.py")} | SHARED_PACKAGES
    distributions = packages_distributions()

    undeclared = {
        f"{path.relative_to(ROOT)}: {imported}"
        for path in python_files(ROOT / member)
        for imported in imported_packages(path) - own - sys.stdlib_module_names
        if not set(map(canonical, distributions.get(imported, []))) & declared
    }

    assert undeclared == set()


def test_the_domain_imports_no_network_no_database_and_no_message() -> None:
    domain = ROOT / "server" / "tallymark_server" / "domain"

    importing = {
        f"{path.relative_to(ROOT)}: {imported}"
        for path in python_files(domain)
        for imported in imported_packages(path) & KEPT_OUT_OF_DOMAIN
    }

    assert importing == set()


def declared_distributions(member: str) -> set[str]:
    """Return the names in a member's dependencies and extras."""
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    requirements = [*project["dependencies"], *(each for extra in extras for each in extra)]
    names = [re.match(r"[\w.-]+", requirement) for requirement in requirements]
    return {canonical(name.group()) for name in names if name}


def canonical(name: str) -> str:
    """Return a distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_files(folder: Path) -> Iterator[Path]:
    generated = ROOT / "protos" / "gen"
    return (path for path in folder.rglob("*.py") if not path.is_relative_to(generated))


def imported_packages(path: Path) -> set[str]:
    """Return the top-level names that a file imports, at any depth of the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
