"""Besieges one RPC for long.

python -m tests.fuzz.besieged_rpc SERVICE/RPC --requests N --seconds S --results FILE
"""

import argparse
import asyncio
import json
import logging
import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tallymark_server.keyring import Keyring
from tallymark_server.services import interceptors
from tests.fuzz.siege import besiege
from tests.world.contract import rpc_named


def main() -> int:
    """Besiege the RPC that is named; the exit code is 1 if an answer was not as promised."""
    options = _options()
    logging.basicConfig(level=logging.CRITICAL)
    # Nobody waits for calls that may still be on the wire: each server here is ours alone.
    interceptors.QUIET_SECONDS = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallymark-fuzz-") as folder:
        counted, faults = asyncio.run(
            besiege(
                [rpc_named(options.rpc)],
                Keyring.open(Path(folder) / "keys"),
                requests=options.requests,
                seed=options.seed,
                seconds=options.seconds,
            )
        )
    seconds = time.monotonic() - begun
    told = {
        "requests": counted.requests,
        "ends": dict(counted.ends),
        "servers": counted.stages,
        "seconds": round(seconds, 1),
        "requests_per_second": round(counted.requests / seconds),
        "peak_rss_mebibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "seed": options.seed,
        "faults": faults,
    }
    options.results.write_text(json.dumps(told))
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("rpc")
    reader.add_argument("--requests", type=int, required=True)
    reader.add_argument("--seconds", type=int, required=True)
    reader.add_argument("--results", type=Path, required=True)
    reader.add_argument("--seed", default=secrets.token_hex(4))
    return reader.parse_args()


if __name__ == "__main__":
    sys.exit(main())
