"""What the operator's policy says about a code or a process."""

import msgspec

from tallymark_protocol.reasons import Reason
from tallymark_server.domain.answers import RowAnswer
from tallymark_server.domain.commands import SetPolicy
from tallymark_server.domain.model.actions import AdmitAsk, BurnPointsGrant
from tallymark_server.domain.model.merchants import PasswordRule, Policy
from tallymark_server.domain.model.processes import CodePurpose, Process
from tallymark_server.domain.model.tallies import DAY_MILLISECONDS
from tallymark_server.domain.money import Money
from tallymark_server.domain.refused import Refused
from tallymark_server.domain.state import Draft
from tallymark_server.domain.unconfirmed import has_room

__all__ = [
    "code_life_seconds",
    "current_policy",
    "is_past_keeping",
    "needs_bound_code",
    "needs_confirmation",
    "needs_password",
    "set_policy",
]


def current_policy(draft: Draft) -> Policy:
    """Return the policy in force: the operator's, or the default."""
    return draft.get(Policy.key_of_current()) or Policy()


def code_life_seconds(policy: Policy, purpose: CodePurpose) -> int:
    """Return how long a code of this purpose lives."""
    if purpose is CodePurpose.POINTS:
        return policy.points_code_life_seconds
    return policy.code_life_seconds


def needs_password(policy: Policy, purpose: CodePurpose) -> bool:
    """Say whether issuing a code of this purpose needs the password besides the session."""
    if policy.password_rule is PasswordRule.GENERAL_CODES:
        return purpose is CodePurpose.GENERAL
    return policy.password_rule is PasswordRule.ALWAYS


def needs_bound_code(policy: Policy, amount: Money) -> bool:
    """Say whether only a code that is bound to the terminal may charge as much."""
    floor = policy.bind_money_from
    return floor is not None and amount.minor_units >= floor


def is_past_keeping(time: int, policy: Policy, now: int) -> bool:
    """Say whether a process that ended at this time, in milliseconds, may have been removed."""
    return now >= time + policy.keep_processes_days * DAY_MILLISECONDS


def needs_confirmation(draft: Draft, process: Process) -> bool:
    """Say whether the customer who showed a code must confirm the granted actions on the phone."""
    policy = current_policy(draft)
    return _asks_always(policy, process) or not has_room(draft, policy, process)


def set_policy(draft: Draft, command: SetPolicy) -> RowAnswer:
    """Put the next version in force and keep the one before."""
    current = current_policy(draft)
    wanted = command.policy
    if msgspec.structs.replace(wanted, version=current.version) == current:
        return RowAnswer(is_new=False)
    if wanted.version != current.version:
        raise Refused(Reason.POLICY_VERSION_CONFLICT, version=str(current.version))
    draft.put(msgspec.structs.replace(current, is_current=False))
    draft.put(msgspec.structs.replace(wanted, version=current.version + 1))
    return RowAnswer(is_new=True)


def _asks_always(policy: Policy, process: Process) -> bool:
    """Say whether the customer confirms such a process, whatever else there was this day."""
    if process.card_total and process.card_total.minor_units >= policy.confirm_money_from:
        return True
    for action in process.actions:
        if policy.confirm_admission and isinstance(action.ask, AdmitAsk):
            return True
        granted = action.grant
        if isinstance(granted, BurnPointsGrant) and granted.points >= policy.confirm_points_from:
            return True
    return False
