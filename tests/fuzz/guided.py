"""Gives one parser inputs without end, guided by the code that they reach.

    python -m tests.fuzz.guided PARSER --runs N --seconds S --corpus FOLDER --results FILE

Runs under atheris (libFuzzer for Python) where it can be imported, with our own packages
instrumented; with `--volume` without the instrumentation, several times as fast, from what a guided
run has put into the corpus. Without atheris the mutations are those of CI. Ends at the first broken
promise with an exit code other than 0. What was counted is written to the results now and then,
because libFuzzer ends the process by itself.
"""

import argparse
import importlib
import importlib.util
import json
import random
import resource
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.fuzz.parser import Parser, Tried

OURS: Final = (
    "tallymark_protocol",
    "tallymark_terminal",
    "tallymark_phone",
    "tallymark_admin",
    "tallymark_institution",
    "tallymark_server",
)

WEIGHED_EACH: Final = 2_000
WRITTEN_EACH_SECONDS: Final = 0.5
MEBIBYTES_MAX: Final = 1_024
"""What the process may take at most, the parser's native parts included."""

HANG_SECONDS: Final = 60


class Session:
    """One parser and what was counted of it."""

    def __init__(
        self, parser: "Parser", tried: "Tried", options: argparse.Namespace, *, way: str
    ) -> None:
        """Take what to feed, what counts, how long, and how inputs are made."""
        self.parser = parser
        self._tried = tried
        self._results: Path = options.results
        self._runs: int = options.runs
        self._way = way
        self._written_at = 0.0

    def feed(self, data: bytes) -> None:
        """Try one input; raises Broken."""
        try:
            is_weighed = self._tried.inputs % WEIGHED_EACH == 0
            self._tried.feed(self.parser, data, weigh=is_weighed)
        except Exception as error:
            self.write(failure=str(error))
            raise
        is_last = self._tried.inputs == self._runs
        if is_last or time.monotonic() > self._written_at + WRITTEN_EACH_SECONDS:
            self.write()

    def write(self, *, failure: str = "") -> None:
        """Write down what was counted so far."""
        self._written_at = time.monotonic()
        peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told = asdict(self._tried) | {
            "way": self._way,
            "peak_rss_mebibytes": round(peak_mebibytes),
            "failure": failure,
        }
        self._results.write_text(json.dumps(told))


def main() -> None:
    """Fuzz the parser that is named."""
    options = _options()
    if importlib.util.find_spec("atheris") is None:
        _run_plain(_session(options, way="plain"), options)
        return
    atheris: Any = importlib.import_module("atheris")
    # What is imported inside tells the fuzzer which of its branches were reached.
    instrumented = nullcontext() if options.volume else atheris.instrument_imports(list(OURS))
    with instrumented:
        session = _session(options, way="volume" if options.volume else "guided")
    _run_atheris(atheris, session, options)


def _session(options: argparse.Namespace, *, way: str) -> Session:
    parsers = importlib.import_module("tests.fuzz.parsers").PARSERS
    tried = importlib.import_module("tests.fuzz.parser").Tried()
    return Session(parsers[options.parser], tried, options, way=way)


def _run_atheris(atheris: Any, session: Session, options: argparse.Namespace) -> None:
    parser, corpus = session.parser, options.corpus
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(_good_inputs(parser)):
        (corpus / f"seed-{number}").write_bytes(data)
    arguments = [
        *(sys.argv[0], str(corpus)),
        *(f"-runs={options.runs}", f"-max_total_time={options.seconds}", f"-seed={options.seed}"),
        *(f"-max_len={parser.size_max}", f"-rss_limit_mb={MEBIBYTES_MAX}"),
        *(f"-timeout={HANG_SECONDS}", f"-artifact_prefix={corpus.parent}/{parser.name}-"),
        *(("-keep_seed=1",) if options.volume else ()),
        "-verbosity=0",
    ]
    atheris.Setup(arguments, session.feed)
    atheris.Fuzz()


def _run_plain(session: Session, options: argparse.Namespace) -> None:
    mutation = importlib.import_module("tests.fuzz.mutation")
    parser = session.parser
    seed = f"{parser.name} {options.seed}"
    mutator = mutation.Mutator(_good_inputs(parser), seed=seed, size_max=parser.size_max)
    ends = time.monotonic() + options.seconds
    for _ in range(options.runs):
        session.feed(mutator.next())
        if time.monotonic() > ends:
            break
    session.write()


def _good_inputs(parser: "Parser") -> list[bytes]:
    kept: list[bytes] = importlib.import_module("tests.fuzz.corpus_files").kept_inputs(parser.name)
    return [*parser.seeds(), *kept]


def _options() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("parser")
    reader.add_argument("--runs", type=int, required=True)
    reader.add_argument("--seconds", type=int, required=True)
    reader.add_argument("--corpus", type=Path, required=True)
    reader.add_argument("--results", type=Path, required=True)
    reader.add_argument("--volume", action="store_true")
    reader.add_argument("--seed", type=int, default=random.randrange(1, 2**31))  # noqa: S311
    return reader.parse_args()


if __name__ == "__main__":
    main()
