"""Calls for ghz, a load tester that others wrote: an outside witness for one RPC at a time."""

__all__: list[str] = []
