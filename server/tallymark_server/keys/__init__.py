"""The server's keys: the folder they lie in, and rings of keys that are replaced in service."""
