"""Plays calls: on time, with values that fit, and compared with what was recorded."""

__all__: list[str] = []
