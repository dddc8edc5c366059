"""What is asked of the rules about rows that are old."""

from tallymark_server.domain.commands.command import Command

__all__ = ["PurgeRows"]


class PurgeRows(Command, frozen=True, kw_only=True):
    """Remove those of these rows that nothing needs any more."""

    codes: tuple[str, ...] = ()
    """Texts of their keys."""

    process_ids: tuple[str, ...] = ()

    requests: tuple[str, ...] = ()
    """Texts of their keys, as the journal names them up to the entry with this number."""

    sequence: int = 0

    erased_sequence: int = 0
    """Number of the journal's entry up to which payloads were erased."""
