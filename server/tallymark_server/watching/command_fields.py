"""What a lane's log line tells of a command, as the line of a call tells of its call."""

from tallymark_server.domain.commands import Command

__all__ = ["log_fields"]


def log_fields(command: Command) -> dict[str, str]:
    """Return who wanted it, and by which request."""
    fields = {"caller": command.caller.name}
    if command.request is not None:
        fields["request_id"] = command.request.request_id
    return fields
