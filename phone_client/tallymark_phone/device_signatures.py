"""What this phone signs: its answers to processes, and that it is itself who calls."""

from dataclasses import replace

from tallymark_phone.processes import Decision, Process, SignedAnswer
from tallymark_protocol import confirmation
from tallymark_protocol.device_key import DevicePrivateKey
from tallymark_protocol.device_proof import ProofPurpose, proof_to_sign

__all__ = ["CannotAnswer", "device_proof", "sign_answer"]


class CannotAnswer(Exception):
    """Nobody can say what an answer to this process would mean."""


def sign_answer(
    process: Process, decision: Decision, *, digits: str = "", device_key: DevicePrivateKey
) -> SignedAnswer:
    """Return the signed answer to a process, which is exactly what this value tells of it.

    Raises:
        CannotAnswer: the process waits for no answer, it has parts that this phone does not know,
            or it is approved before anybody knows what it will do.
        ValueError: the digits are not two digits.

    """
    form = process.answer_form
    if form is None:
        message = (
            f"{process.process_id} cannot be answered by this version of the phone: it waits for"
            " nothing, or has parts that are not known here."
        )
        raise CannotAnswer(message)
    if decision is Decision.APPROVE and not (form.is_granted or form.is_refused):
        message = (
            f"{process.process_id} is not decided yet, so there is nothing to say yes to. Wait, or"
            " say no."
        )
        raise CannotAnswer(message)
    statement = replace(form, decision=confirmation.Decision[decision.name], digits=digits)
    return SignedAnswer(
        process_id=process.process_id,
        decision=decision,
        digits=digits,
        signature=device_key.sign(statement.to_bytes()),
    )


def device_proof(
    purpose: ProofPurpose,
    *,
    login_name: str,
    device_id: str = "",
    request_id: str,
    device_key: DevicePrivateKey,
) -> bytes:
    """Return the proof that this phone made a request; raises as proof_to_sign does."""
    return device_key.sign(
        proof_to_sign(
            purpose,
            login_name=login_name,
            device_id=device_id,
            request_id=request_id,
            public_key=device_key.public(),
        )
    )
