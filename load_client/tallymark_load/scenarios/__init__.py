"""Load from a small file: kinds of visits, how often, for how long."""

__all__: list[str] = []
