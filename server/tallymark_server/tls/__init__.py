"""The server's own certificates: its authority, and what its listeners show."""
