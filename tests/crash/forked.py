"""What runs in a process that is forked to be a server.

The process that they are forked from imports this module before anything else (see servers.py).
"""

import os
from importlib import import_module
from multiprocessing.connection import Connection

from tallymark_server.main import main

__all__ = ["be_server"]


def be_server(arguments: list[str], bug: str, output: Connection, go: Connection) -> None:
    """Serve, with a planted bug if one is named, once this process is told to go on."""
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    go.recv_bytes()
    if bug:
        getattr(import_module("tests.crash.bugs"), bug)()
    main(arguments)
