"""A credit institution for the state machine: what it did is remembered, even if nobody heard."""

from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationResult,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.model.actions import SettlementTask

__all__ = ["Bank"]


class Bank:
    """What it decided, and what it holds and has taken, by authorisation id."""

    def __init__(self) -> None:
        self.decided: dict[str, AuthorisationResult] = {}
        self.held: dict[str, int] = {}
        self.taken: dict[str, int] = {}

    def authorise(
        self, identifier: str, amount: int, answer: AuthorisationAnswer
    ) -> AuthorisationResult:
        """Hold the amount, a part of it, or nothing; asked again, tell the same."""
        if identifier not in self.decided:
            approved = {
                AuthorisationAnswer.APPROVED: amount,
                AuthorisationAnswer.PARTIALLY_APPROVED: amount // 2,
            }.get(answer, 0)
            if answer.holds_money:
                self.held[identifier] = approved
            self.decided[identifier] = AuthorisationResult(
                answer=answer, approved_minor_units=approved
            )
        return self.decided[identifier]

    def tell(self, identifier: str, task: SettlementTask) -> CaptureResult | ReversalResult:
        """Take what is held, or give back whatever there is; asked again, tell the same."""
        if task is SettlementTask.CAPTURE:
            if identifier in self.held:
                self.taken[identifier] = self.held.pop(identifier)
            return CaptureResult.CAPTURED
        self.held.pop(identifier, None)
        self.taken.pop(identifier, None)
        was_known = identifier in self.decided
        refusal = AuthorisationResult(answer=AuthorisationAnswer.REVERSED_BEFORE)
        self.decided[identifier] = refusal
        return ReversalResult.REVERSED if was_known else ReversalResult.NEVER_SEEN
