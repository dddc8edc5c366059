"""The command `tallymark-load`."""

import click

__all__ = ["main"]


@click.group()
@click.version_option(package_name="tallymark-load")
def main() -> None:
    """Record gRPC calls, play them back, and make load of your own."""
