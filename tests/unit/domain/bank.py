"""A credit institution for the state machine: what it did is remembered, even if nobody heard."""

from tallymark_server.domain.authorisation import (
    AuthorisationAnswer,
    AuthorisationLookup,
    AuthorisationResult,
    AuthorisationState,
    CaptureResult,
    ReversalResult,
)
from tallymark_server.domain.model.actions import SettlementTask

__all__ = ["Bank"]


class Bank:
    """What it decided, and what it holds and has taken, by authorisation id.

    It leaves no mark when it is to reverse what it never saw: a question that comes later is
    decided as if nothing had been.
    """

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
        if identifier not in self.decided:
            return ReversalResult.NEVER_SEEN
        self.held.pop(identifier, None)
        self.taken.pop(identifier, None)
        refusal = AuthorisationResult(answer=AuthorisationAnswer.REVERSED_BEFORE)
        self.decided[identifier] = refusal
        return ReversalResult.REVERSED

    def find(self, identifier: str) -> AuthorisationLookup:
        """Tell what is held or taken."""
        result = self.decided.get(identifier)
        if result is None:
            return AuthorisationLookup(state=AuthorisationState.NEVER_SEEN)
        state = AuthorisationState.DECIDED
        if identifier in self.taken:
            state = AuthorisationState.CAPTURED
        elif result.answer is AuthorisationAnswer.REVERSED_BEFORE:
            state = AuthorisationState.REVERSED
        return AuthorisationLookup(state=state, result=result)
