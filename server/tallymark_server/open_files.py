"""How many connections a server may hold: each of them is an open file."""

import resource

__all__ = ["raise_open_files"]


def raise_open_files() -> int:
    """Let this process have open as many files as the machine allows it, and return how many.

    The usual 1,024 are for programs that use `select`; a shell's `ulimit -Hn` tells the rest.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
