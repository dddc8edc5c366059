"""A server may hold as many connections as the machine lets it."""

import subprocess
import sys
from typing import Final

_PROGRAM: Final = """
import resource
from tallymark_server.open_files import raise_open_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
assert raise_open_files() == hard
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
"""


def test_the_usual_limit_is_raised_as_far_as_the_machine_lets_it() -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True)
