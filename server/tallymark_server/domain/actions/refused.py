"""How an action says no."""

from tallymark_server.domain.model.actions import Refusal, RefusalReason

__all__ = ["ActionRefused"]


class ActionRefused(Exception):
    """The action cannot be granted; the refusal says why."""

    def __init__(self, reason: RefusalReason, **details: object) -> None:
        """Take the reason and the fields of `Refusal` that explain it."""
        super().__init__(reason.name)
        self.refusal = Refusal(reason=reason, **details)  # type: ignore[arg-type]  # Refusal's fields
