"""Records calls, plays them back at their own pace, and measures what comes of it."""

__all__: list[str] = []
