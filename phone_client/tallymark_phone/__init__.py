"""The Tallymark phone: keeps the wallet and shows the code."""

import os

# gRPC reads this when it is imported. Without it, it writes lines of its own about every failed
# handshake to stderr, where a person looks for what went wrong in words.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
