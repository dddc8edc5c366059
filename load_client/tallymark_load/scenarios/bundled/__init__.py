"""The scenarios that come with the program."""

__all__: list[str] = []
