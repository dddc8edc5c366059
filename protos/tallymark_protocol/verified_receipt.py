"""Whether a receipt carries its customer's signed yes, and says what was signed.

The check has six steps, numbered alike in docs/signatures.md and here:

    1 statement there · 2 statement readable · 3 device key · 4 signature · 5 a yes that counts ·
    6 the receipt says the same

What no receipt can tell is whose device key stands in it: compare its hash with that of the key in
the customer's phone.
"""

import json
from dataclasses import dataclass
from typing import Final

from google.protobuf.json_format import ParseDict, ParseError

from tallymark.v1 import checkpoint_pb2, process_pb2
from tallymark_protocol.checkpoint_messages import ReceivedCheckpoint, received_checkpoint
from tallymark_protocol.confirmation import Confirmation, NotAConfirmation, read_confirmation
from tallymark_protocol.confirmation_messages import action_of, total_of
from tallymark_protocol.device_key import DevicePublicKey, NotADeviceKey

__all__ = ["NotAReceipt", "VerifiedReceipt", "verify_receipt"]

# What JSON and protobuf raise; a SystemError for names that have half of a surrogate pair.
_NO_RECEIPT: Final = (
    ParseError,
    ValueError,
    AttributeError,
    TypeError,
    RecursionError,
    SystemError,
)


class NotAReceipt(ValueError):
    """The text is not proto3 JSON of a receipt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedReceipt:
    """What a receipt is worth."""

    problems: tuple[str, ...]
    """Everything that is wrong, in the order of the steps; empty: it is good."""

    confirmation: Confirmation | None
    """What was signed, or is said to be; None if that cannot be read."""

    device_key_hash: str
    """Hash of the key in the receipt, "" if there is none."""

    device_id: str
    """Id of the device, as the server says."""

    confirmed_at: str
    """Time of the answer in RFC 3339, as the server says."""

    checkpoint: ReceivedCheckpoint | None
    """Checkpoint of the journal that came with the receipt; its own signature is checked too."""


def verify_receipt(document: str | bytes, *, device_key_hash: str = "") -> VerifiedReceipt:
    """Check a receipt of `tallymark.v1.Receipt` in proto3 JSON.

    It may have a `checkpoint` beside the fields of the contract. `device_key_hash` is that of the
    customer's device, if it is known: 64 hex digits.

    Raises:
        NotAReceipt: it is no such document.

    """
    receipt, signed_checkpoint = _read(document)
    told = receipt.confirmation
    problems: list[str] = []
    confirmation, key, checkpoint = None, None, None

    # 1. Statement there.
    if not told.statement:
        problems.append("the receipt carries no signed confirmation")
    else:
        # 2. Statement readable, in its only form.
        try:
            confirmation = read_confirmation(told.statement)
        except NotAConfirmation as error:
            problems.append(str(error))

        # 3. Device key.
        try:
            key = DevicePublicKey.parse(told.device_key.algorithm, told.device_key.key_bytes)
        except NotADeviceKey as error:
            problems.append(str(error))
        if key and device_key_hash and key.key_hash() != device_key_hash:
            problems.append("the device key is another one than the expected")

        # 4. Signature.
        if key and not key.verify(told.statement, told.signature):
            problems.append("the signature does not fit the statement and the device key")

    if confirmation:
        # 5. A yes that counts: not a no, and not a yes to what was refused.
        if not confirmation.authorises:
            problems.append("what was signed is not a yes to what the receipt says was done")

        # 6. The receipt says the same.
        problems.extend(_differences(confirmation, receipt))

    if signed_checkpoint:
        checkpoint = _checkpoint(signed_checkpoint, problems)
    return VerifiedReceipt(
        problems=tuple(problems),
        confirmation=confirmation,
        device_key_hash=key.key_hash() if key else "",
        device_id=told.device_id,
        confirmed_at=told.confirmed_at.ToJsonString() if told.HasField("confirmed_at") else "",
        checkpoint=checkpoint,
    )


def _read(
    document: str | bytes,
) -> tuple[process_pb2.Receipt, checkpoint_pb2.SignedCheckpoint | None]:
    try:
        fields = json.loads(document)
        signed = fields.pop("checkpoint", None)
        receipt = ParseDict(fields, process_pb2.Receipt(), ignore_unknown_fields=True)
        checkpoint = (
            ParseDict(signed, checkpoint_pb2.SignedCheckpoint(), ignore_unknown_fields=True)
            if signed
            else None
        )
    except _NO_RECEIPT as error:
        message = "this is not a receipt in JSON"
        raise NotAReceipt(message) from error
    if not receipt.receipt_number:
        message = "this is not a receipt in JSON: it has no receipt_number"
        raise NotAReceipt(message)
    return receipt, checkpoint


def _differences(confirmation: Confirmation, receipt: process_pb2.Receipt) -> list[str]:
    try:
        actions = tuple(action_of(outcome) for outcome in receipt.actions)
        totals = (total_of(receipt, "sale_total"), total_of(receipt, "card_total"))
    except ValueError as error:
        return [f"the receipt contradicts itself: {error}"]
    signed_and_told = {
        "process": (confirmation.process_id, receipt.receipt_number),
        "merchant": (confirmation.merchant_id, receipt.merchant_id),
        "name of the merchant": (confirmation.merchant_name, receipt.merchant_name),
        "terminal": (confirmation.terminal_id, receipt.terminal_id),
        "actions": (confirmation.actions, actions),
        "totals": ((confirmation.sale_total, confirmation.card_total), totals),
    }
    return [
        f"the receipt tells another {name} than what was signed"
        for name, (signed, told) in signed_and_told.items()
        if signed != told
    ]


def _checkpoint(
    message: checkpoint_pb2.SignedCheckpoint, problems: list[str]
) -> ReceivedCheckpoint | None:
    try:
        checkpoint = received_checkpoint(message)
    except ValueError as error:
        problems.append(f"the checkpoint is none: {error}")
        return None
    if not checkpoint.is_genuine:
        problems.append("the signature of the checkpoint does not fit it and its key")
    return checkpoint
