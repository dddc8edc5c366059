"""The commands, one module per part of an operator's work."""
