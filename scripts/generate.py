"""Generate the Python stubs in protos/gen from the contracts in protos/tallymark.

Runs in the code generator's own environment; `make generate` prepares that and calls this.

1. Fetch validate.proto, which the contracts import, from the package that carries it.
2. Generate into a scratch folder: messages for every contract, gRPC stubs for services only.
3. Bring protos/gen to the same content, touching only files that differ.
4. Generate the binary log of gRPC, which belongs to the load client alone, beside its contract.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CONTRACTS: Final = ROOT / "protos"
GENERATED: Final = ROOT / "protos" / "gen"
PROTO_DEPENDENCIES: Final = ROOT / "build" / "proto-deps"

LOAD_CLIENT: Final = ROOT / "load_client"
BINARY_LOG: Final = "tallymark_load/binary_log/binary_log.proto"
"""Below LOAD_CLIENT. Its package is grpc.binarylog.v1, but a path of that name would hide grpc."""

VALIDATE_PROTO: Final = "buf/validate/validate.proto"
VALIDATE_PROTO_SHA256: Final = "817951eab518442950f1982be24b2c3154b214b40e42f49b915cbf5181e6ee80"
# Wheels of this package carry no validate.proto, only source releases do. The last source release
# that needs no compiler is 1.2.0; its validate.proto differs from the one inside the installed
# protovalidate in the licence header alone.
VALIDATE_PROTO_PACKAGE: Final = (
    "protovalidate==1.2.0"
    " --hash=sha256:4cb9a5065f32abc9baf2cf25c5bd09a139f7dffb7b8692f636a8e3e6883bb9a2"
)


def main() -> None:
    """Bring protos/gen up to date, or only fetch dependencies with --dependencies-only."""
    fetch_validate_proto()
    if "--dependencies-only" in sys.argv[1:]:
        return
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        generate_into(scratch)
        replace_tree(GENERATED, scratch)
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        _protoc(f"--python_out={scratch}", f"--mypy_out=quiet:{scratch}", BINARY_LOG)
        write_changed(LOAD_CLIENT, scratch)


def fetch_validate_proto() -> None:
    """Put the pinned validate.proto into PROTO_DEPENDENCIES, unless it is there already."""
    target = PROTO_DEPENDENCIES / VALIDATE_PROTO
    if target.exists() and _sha256(target.read_bytes()) == VALIDATE_PROTO_SHA256:
        return
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        content = _from_source_release(_download_source_release(scratch))
    if _sha256(content) != VALIDATE_PROTO_SHA256:
        sys.exit(f"{VALIDATE_PROTO} is not the pinned one: its SHA-256 differs.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def generate_into(output: Path) -> None:
    """Run protoc on every contract, and on validate.proto, whose stubs no package ships."""
    messages = sorted(
        path.relative_to(CONTRACTS).as_posix()
        for path in (CONTRACTS / "tallymark").rglob("*.proto")
    )
    services = [name for name in messages if name.endswith("_service.proto")]
    _protoc(f"--python_out={output}", f"--mypy_out=quiet:{output}", *messages, VALIDATE_PROTO)
    if services:
        _protoc(
            f"--grpc_python_out={output}", f"--mypy_grpc_out=only_async,quiet:{output}", *services
        )
    # Without these markers type checkers take every stub for untyped.
    for package in output.iterdir():
        (package / "py.typed").touch()


def replace_tree(target: Path, source: Path) -> None:
    """Make target equal to source; leave unchanged files alone, and with them their time."""
    wanted = write_changed(target, source)
    for path in list(target.rglob("*")):
        is_stale = path.is_file() and path.relative_to(target) not in wanted
        if is_stale and "__pycache__" not in path.parts:
            path.unlink()


def write_changed(target: Path, source: Path) -> set[Path]:
    """Write the files of source that target has not, or has otherwise; return all their names."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for relative in wanted:
        content = (source / relative).read_bytes()
        destination = target / relative
        if not destination.exists() or destination.read_bytes() != content:
            destination.parent.mkdir(parents=True, exist_ok=True)
            destination.write_bytes(content)
    return wanted


def _protoc(*arguments: str) -> None:
    folders = [CONTRACTS, PROTO_DEPENDENCIES, LOAD_CLIENT]
    include = [f"--proto_path={folder}" for folder in folders]
    # The plugins of mypy-protobuf lie beside this environment's Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    generated = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *include, *arguments],
        check=False,
        env={**os.environ, "PATH": path},
    )
    if generated.returncode != 0:
        # protoc has said which line of which contract is wrong.
        sys.exit(generated.returncode)


def _download_source_release(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(VALIDATE_PROTO_PACKAGE + "\n")
    download = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    options = ["--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes"]
    subprocess.run(
        [*download, *options, f"--dest={folder}", f"--requirement={requirements}"], check=True
    )
    return next(folder.glob("*.tar.gz"))


def _from_source_release(archive: Path) -> bytes:
    with tarfile.open(archive) as members:
        for name in members.getnames():
            if name.endswith("/" + VALIDATE_PROTO):
                file = members.extractfile(name)
                if file is not None:
                    return file.read()
    sys.exit(f"{archive.name} carries no {VALIDATE_PROTO}.")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
