"""Check the code format against the independent package `cwt`, both ways.

    python scripts/crosstest_cwt.py

Makes an environment of its own in build/crosstest-venv (cwt needs an older cbor2), then: cwt must
read every code of ours and find the same claims, must refuse the forged ones of the published
vectors, and what cwt makes of the same claims must be our code, byte by byte. The result goes to
build/reports/crosstest.json; the exit code is 1 if anything differs.
"""

import json
import random
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from code_vectors.forge import external_aad
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark_protocol import base45
from tallymark_protocol.code_claims import CodeClaims, claims_to_cbor
from tallymark_protocol.code_errors import RejectedCode
from tallymark_protocol.code_format import CODE_PREFIX, parse, sign

ROOT: Final = Path(__file__).parent.parent
ENVIRONMENT: Final = ROOT / "build" / "crosstest-venv"
REQUIREMENTS: Final = Path(__file__).parent / "crosstest_requirements.txt"
REPORT: Final = ROOT / "build" / "reports" / "crosstest.json"
CODES: Final = 1000
REFERENCE_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SIGN1_TAG: Final = b"\xd2"
SIGNATURE_STEP: Final = 9


def main() -> int:
    """Run the test and write its report."""
    begun = time.monotonic()
    vectors = json.loads((ROOT / "tests/vectors/code_format.json").read_text("utf-8"))
    key_entry, epoch = vectors["keys"][0], vectors["epoch"]
    private_key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key_entry["private_key"]))
    claims = list(_claims_of_codes())
    ours = [
        sign(each, key_id=key_entry["key_id"], private_key=private_key, epoch=epoch)
        for each in claims
    ]
    genuine = [_cose(text) for text in (*ours, *(entry["text"] for entry in vectors["valid"]))]
    forged = [
        _cose(entry["text"]) for entry in vectors["invalid"] if entry["step"] == SIGNATURE_STEP
    ]

    answer = _ask_cwt(
        {
            "external_aad": external_aad(epoch).hex(),
            "keys": vectors["keys"],
            "to_read": [cose.hex() for cose in (*genuine, *forged)],
            "to_write": [claims_to_cbor(each).hex() for each in claims],
        }
    )

    read, refused = answer["read"][: len(genuine)], answer["read"][len(genuine) :]
    payloads = [parse(_text(cose)).payload.hex() for cose in genuine]
    written = [bytes.fromhex(message) for message in answer["written"]]
    seconds = round(time.monotonic() - begun, 1)
    report = [
        _line("cwt reads our codes", zip(read, payloads, strict=True), seconds),
        _line("cwt refuses the forged vectors", ((claim, None) for claim in refused), seconds),
        _line(
            "what cwt writes, without its tag, is our code",
            zip(map(_text_without_tag, written), ours, strict=True),
            seconds,
        ),
        _line(
            "what cwt writes, with its tag, we refuse",
            ((_reason_of(_text(message)), "CODE_MALFORMED") for message in written),
            seconds,
        ),
    ]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for line in report:
        sys.stdout.write(f"{line['name']}: {line['trials']} tried, {line['failures']} wrong\n")
    return 1 if any(line["failures"] or not line["trials"] for line in report) else 0


def _claims_of_codes() -> Iterator[CodeClaims]:
    """Yield claims of every kind, all lengths of reference; the same ones in every run."""
    source = random.Random(7)  # noqa: S311 - test data, meant to repeat
    for number in range(CODES):
        references = [
            "".join(source.choices(REFERENCE_CHARACTERS, k=source.randint(1, 63))) for _ in range(3)
        ]
        is_bound, is_for_ticket = number % 2 == 1, number % 4 > 1
        yield CodeClaims(
            expires_at=source.randint(1, 2**32 - 1),
            cti=source.randbytes(20),
            audience=references[0] if is_bound else None,
            event_id=references[1] if is_for_ticket else None,
            ticket_id=references[2] if is_for_ticket else None,
        )


def _ask_cwt(question: dict[str, Any]) -> dict[str, Any]:
    python = _environment()
    answered = subprocess.run(
        [python, Path(__file__).parent / "crosstest_cwt_peer.py"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stderr.write(answered.stderr)
    answered.check_returncode()
    answer: dict[str, Any] = json.loads(answered.stdout)
    return answer


def _environment() -> Path:
    """Return the Python of the environment, made anew whenever the requirements have changed."""
    python = ENVIRONMENT / "bin" / "python"
    installed = ENVIRONMENT / "installed_requirements.txt"
    wanted = REQUIREMENTS.read_text("utf-8")
    if not installed.exists() or installed.read_text("utf-8") != wanted:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run((*pip, "--require-hashes", "-r", REQUIREMENTS), check=True)
        installed.write_text(wanted, encoding="utf-8")
    return python


def _line(name: str, pairs: Any, seconds: float) -> dict[str, Any]:  # noqa: ANN401
    are_equal = [got == wanted for got, wanted in pairs]
    return {
        "name": name,
        "trials": len(are_equal),
        "failures": are_equal.count(False),
        "faults_fired": {},
        "mutants_killed": 0,
        "seconds": seconds,
        "figures": {},
    }


def _reason_of(text: str) -> str | None:
    try:
        parse(text)
    except RejectedCode as rejected:
        return rejected.reason
    return None


def _cose(text: str) -> bytes:
    return base45.decode(text.removeprefix(CODE_PREFIX))


def _text(cose: bytes) -> str:
    return CODE_PREFIX + base45.encode(cose)


def _text_without_tag(message: bytes) -> str:
    return _text(message.removeprefix(SIGN1_TAG))


if __name__ == "__main__":
    sys.exit(main())
