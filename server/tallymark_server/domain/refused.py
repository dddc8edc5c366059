"""How a rule says no to a whole call."""

from tallymark_protocol.reasons import Reason

__all__ = ["Refused"]


class Refused(Exception):
    """The call is answered with no, and nothing that the rule put into its draft is kept."""

    def __init__(self, reason: Reason, **metadata: str) -> None:
        """Take the reason and the values for the places in its sentence."""
        super().__init__(reason)
        self.reason = reason
        self.metadata = metadata
