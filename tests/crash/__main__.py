"""`make crash-certificate`: try everything, write the page and build/reports."""

import argparse
import asyncio
import sys

from tests.crash.certificate import Scale, certify
from tests.crash.page import PAGE, lines_of, page_of
from tests.crash.strace import StraceMissing, check_strace
from tests.crash.walk import CHANGING_RPCS
from tests.proof import write_report


def main() -> int:
    """Return 0 when nothing was lost or broken."""
    options = argparse.ArgumentParser(prog="make crash-certificate")
    options.add_argument("--seed", type=int, default=20261123)
    options.add_argument("--kills", type=int, default=500, help="random kills under load")
    options.add_argument("--buyers", type=int, default=16)
    options.add_argument("--scans", type=int, default=8, help="scans of each buyer")
    options.add_argument(
        "--number", type=int, action="append", help="of the writes and syncs, try only this one"
    )
    options.add_argument("--rpc", action="append", help="only this one, and write no page")
    chosen = options.parse_args()
    try:
        check_strace()
    except StraceMissing as missing:
        print(missing, file=sys.stderr)  # noqa: T201 -- a program's answer
        return 2
    rpcs = [rpc for rpc in CHANGING_RPCS if not chosen.rpc or rpc.path in chosen.rpc]
    scale = Scale(
        seed=chosen.seed,
        rpcs=rpcs,
        numbers=chosen.number or (),
        buyers=chosen.buyers,
        scans=chosen.scans,
        kills=chosen.kills,
    )
    made = asyncio.run(certify(scale))
    lines = lines_of(made)
    if not chosen.rpc:
        PAGE.write_text(page_of(made, scale=scale))
        write_report("crash-certificate", lines, add=False)
    for line in lines:
        print(line)  # noqa: T201 -- the same
    return int(any(line.failures for line in lines) or not all(made.mutants.values()))


if __name__ == "__main__":
    sys.exit(main())
