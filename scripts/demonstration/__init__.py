"""The story that `make demo` plays, with real programs as real processes."""
