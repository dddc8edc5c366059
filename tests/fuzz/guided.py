"""Gives one parser inputs without end, guided by the code that they reach.

    python -m tests.fuzz.guided PARSER --runs N --seconds S --results FILE

Runs under atheris (libFuzzer for Python) where it can be imported, with our own packages
instrumented; else with the plain mutations of CI. Ends at the first broken promise with exit code
77 of libFuzzer, or 1. What was counted so far is written to the results file every now and then.
"""

import argparse
import importlib
import importlib.util
import json
import random
import resource
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.fuzz.parser import Parser

OURS: Final = (
    "tallymark_protocol",
    "tallymark_terminal",
    "tallymark_phone",
    "tallymark_admin",
    "tallymark_institution",
    "tallymark_server.tls",
)

WEIGHED_EACH: Final = 2_000
WRITTEN_EACH: Final = 500


def main() -> None:
    """Fuzz the parser that is named."""
    options = _options()
    is_guided = importlib.util.find_spec("atheris") is not None
    if is_guided:
        atheris = importlib.import_module("atheris")
        # What is imported from here on tells the fuzzer which of its branches were reached.
        with atheris.instrument_imports(include=list(OURS), enable_loader_override=False):
            session = _session(options, is_guided=True)
        _run_guided(atheris, session, options)
    else:
        _run_plain(_session(options, is_guided=False), options)


class Session:
    """One parser and what was counted of it."""

    def __init__(self, parser: "Parser", tried: Any, results: Path, *, is_guided: bool) -> None:
        """Take what to feed, and where to write what was counted."""
        self.parser = parser
        self._tried = tried
        self._results = results
        self._is_guided = is_guided

    def feed(self, data: bytes) -> None:
        """Try one input; raises Broken."""
        number = self._tried.inputs
        try:
            self._tried.feed(self.parser, data, weigh=number % WEIGHED_EACH == 0)
        except Exception as error:
            self.write(failure=str(error))
            raise
        if number % WRITTEN_EACH == 0:
            self.write()

    def write(self, *, failure: str = "") -> None:
        """Write down what was counted so far."""
        peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told = asdict(self._tried) | {
            "guided": self._is_guided,
            "peak_rss_mebibytes": round(peak_mebibytes),
            "failure": failure,
        }
        self._results.write_text(json.dumps(told))


def _session(options: argparse.Namespace, *, is_guided: bool) -> Session:
    from tests.fuzz.parser import Tried  # noqa: PLC0415 -- imported under instrumentation
    from tests.fuzz.parsers import PARSERS  # noqa: PLC0415

    return Session(PARSERS[options.parser], Tried(), options.results, is_guided=is_guided)


def _run_guided(atheris: Any, session: Session, options: argparse.Namespace) -> None:
    from tests.fuzz.corpus_files import kept_inputs  # noqa: PLC0415

    parser = session.parser
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="tallymark-fuzz-corpus-"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*parser.seeds(), *kept_inputs(parser.name)]):
        (corpus / f"seed-{number}").write_bytes(data)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-runs={options.runs}",
        f"-max_total_time={options.seconds}",
        f"-max_len={parser.size_max}",
        f"-seed={options.seed}",
        "-rss_limit_mb=2048",
        "-timeout=60",
        "-print_final_stats=1",
        f"-artifact_prefix={corpus.parent}/{parser.name}-",
    ]
    atheris.Setup(arguments, session.feed)
    atheris.Fuzz()


def _run_plain(session: Session, options: argparse.Namespace) -> None:
    import time  # noqa: PLC0415

    from tests.fuzz.corpus_files import kept_inputs  # noqa: PLC0415
    from tests.fuzz.mutation import Mutator  # noqa: PLC0415

    parser = session.parser
    corpus = [*parser.seeds(), *kept_inputs(parser.name)]
    seed = f"{parser.name} {options.seed}"
    mutator = Mutator(corpus, seed=seed, size_max=parser.size_max)
    ends = time.monotonic() + options.seconds
    for _ in range(options.runs):
        session.feed(mutator.next())
        if time.monotonic() > ends:
            break
    session.write()


def _options() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("parser")
    reader.add_argument("--runs", type=int, required=True)
    reader.add_argument("--seconds", type=int, required=True)
    reader.add_argument("--seed", type=int, default=random.randrange(1, 2**31))  # noqa: S311
    reader.add_argument("--corpus", type=Path)
    reader.add_argument("--results", type=Path, required=True)
    return reader.parse_args()


if __name__ == "__main__":
    main()
