"""The commands of `tallymark-load`, one module for each."""

__all__: list[str] = []
