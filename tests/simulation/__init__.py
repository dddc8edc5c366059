"""The whole system in one process, under virtual time: a seed plays the same each time."""
