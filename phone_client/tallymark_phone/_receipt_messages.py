"""Turn the contract's receipts into values. Only server_connection.py uses this."""

import json

from google.protobuf import json_format

from tallymark.v1 import customer_service_pb2, process_pb2
from tallymark_phone._process_messages import to_actions, to_money, to_time
from tallymark_phone.processes import ConfirmedBy, PointsPosting, Receipt
from tallymark_protocol.verified_receipt import NotAReceipt, VerifiedReceipt, verify_receipt

__all__ = ["to_receipt"]


def to_receipt(response: customer_service_pb2.GetReceiptResponse) -> Receipt:
    """Return the receipt, with its signatures checked and the checkpoint that came with it."""
    message = response.receipt
    document = _document(response)
    verified = _verified(document)
    checkpoint = verified.checkpoint if verified else None
    return Receipt(
        receipt_number=message.receipt_number,
        merchant_id=message.merchant_id,
        merchant_name=message.merchant_name,
        terminal_id=message.terminal_id,
        actions=to_actions(message.actions, card_total=to_money(message.card_total)),
        postings=tuple(
            PointsPosting(
                programme_id=posting.programme_id,
                points=posting.points,
                balance_after=posting.balance_after,
            )
            for posting in message.postings
        ),
        completed_at=to_time(message.completed_at),
        sale_total=to_money(message.sale_total),
        card_total=to_money(message.card_total),
        paid_at_terminal=to_money(message.paid_at_terminal),
        is_confirmed_by_customer=message.confirmed_by_customer,
        confirmed_by=_confirmed_by(message, verified),
        reverses_process_id=message.reverses_process_id,
        reversed_by_process_id=message.reversed_by_process_id,
        checkpoint=str(checkpoint.checkpoint) if checkpoint else "",
        problems=_problems(response, verified),
        document=document,
    )


def _document(response: customer_service_pb2.GetReceiptResponse) -> str:
    """Return the receipt as the contract's JSON, and beside its fields the checkpoint."""
    document = json_format.MessageToDict(response.receipt, preserving_proto_field_name=True)
    if response.HasField("checkpoint"):
        document["checkpoint"] = json_format.MessageToDict(
            response.checkpoint, preserving_proto_field_name=True
        )
    return json.dumps(document, indent=2)


def _verified(document: str) -> VerifiedReceipt | None:
    """Return what the signatures are worth, None if this is no receipt at all."""
    try:
        return verify_receipt(document)
    except NotAReceipt:
        return None


def _confirmed_by(
    receipt: process_pb2.Receipt, verified: VerifiedReceipt | None
) -> ConfirmedBy | None:
    if verified is None or not receipt.HasField("confirmation"):
        return None
    return ConfirmedBy(
        device_id=verified.device_id,
        device_key_hash=verified.device_key_hash,
        confirmed_at=to_time(receipt.confirmation.confirmed_at),
    )


def _problems(
    response: customer_service_pb2.GetReceiptResponse, verified: VerifiedReceipt | None
) -> tuple[str, ...]:
    """Return what is wrong with the signatures; where nobody confirmed, no yes is missing."""
    if verified is None:
        return ("it has no number",)
    receipt = response.receipt
    if receipt.confirmed_by_customer or receipt.HasField("confirmation"):
        return verified.problems
    is_good = not response.HasField("checkpoint") or (
        verified.checkpoint is not None and verified.checkpoint.is_genuine
    )
    return () if is_good else ("the checkpoint that came with it is not genuine",)
