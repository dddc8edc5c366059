"""A journal with its chain, changed journals, and checkpoints, put together by hand."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2
from code_vectors.forge import key

__all__ = ["checkpoints", "journal"]

AUDIT_SEED: Final = hashlib.sha256(b"tallymark test vector audit key").digest()
SIGNED_AT: Final = 1_790_000_003_000
PROCESS_ID: Final = "00018f3c2a7b5d4e6f8091a2b3c4d5e6f7"
FACTS: Final = (
    (1_790_000_000_000, "CreateMerchant", "operator/first", "", 0, '{"changed":["merchants"]}'),
    (1_790_000_000_250, "RegisterCustomer", "anyone", "", 0, '{"changed":["customers"]}'),
    (1_790_000_001_000, "ResolveCode", "terminal/till-1", PROCESS_ID, 3, '{"changed":["codes"]}'),
    (1_790_000_002_123, "CompleteProcess", "terminal/till-1", PROCESS_ID, 6, '{"name":"Café"}'),
)


def journal() -> dict[str, Any]:
    """Return the journal as it is exported, the links of its chain, and changed journals."""
    entries, links = _chained(FACTS)
    held = [_short(entries, 3)]
    one, two, three, four = entries
    rewritten, _ = _chained((FACTS[0], (*FACTS[1][:2], "operator/eve", *FACTS[1][3:]), *FACTS[2:]))
    edited = {**two, "caller": "operator/eve"}
    swapped = [one, {**three, "sequence": "2"}, {**two, "sequence": "3"}, four]
    return {
        "partition": 0,
        "entries": entries,
        "links": links,
        "checkpoints": held,
        "changed": [
            _changed("a caller was edited", [one, edited, three, four], 2, "edited"),
            _changed("an entry was taken out", [one, three, four], 2, "missing"),
            _changed("the first entry was taken out", [two, three, four], 1, "missing"),
            _changed("two entries changed places", [one, three, two, four], 2, "out of order"),
            _changed("two entries changed places and numbers", swapped, 2, "edited"),
            _changed("an entry stands there twice", [one, one, *entries[1:]], 1, "out of order"),
            _changed("the end was cut off", [one, two], 3, "cut off"),
            _changed("nothing is left", [], 1, "cut off"),
            _changed("it was rewritten from entry 2 on", rewritten, 3, "rewritten"),
        ],
        "not_found": {
            "name": "without a checkpoint held elsewhere, a rewritten journal is sound",
            "entries": rewritten,
        },
    }


def checkpoints() -> dict[str, Any]:
    """Return a signed checkpoint and texts that are no short form of any."""
    entries, _ = _chained(FACTS)
    value = base64.b64decode(entries[2]["chainHash"])
    to_sign = cbor2.dumps(["tallymark checkpoint", 1, 0, 3, value, SIGNED_AT])
    short = _short(entries, 3)
    return {
        "audit_private_key": AUDIT_SEED.hex(),
        "audit_public_key": key(AUDIT_SEED).public_key().public_bytes_raw().hex(),
        "valid": [
            {
                "partition": 0,
                "sequence": 3,
                "chain_hash": value.hex(),
                "short": short,
                "signed_at": SIGNED_AT,
                "signed_bytes": to_sign.hex(),
                "signature": key(AUDIT_SEED).sign(to_sign).hex(),
            }
        ],
        "malformed": [
            "",
            short.upper(),
            short[:-1],
            short + "0",
            short + "\n",
            short.replace("tmc1", "tmc2"),
            short.replace("tmc1:0", "tmc1:256"),
            short.replace("tmc1:0", "tmc1:00"),
            short.replace(":3:", ":03:"),
            short.replace(":3:", ":-3:"),
            short.replace(":3:", ":9223372036854775808:"),
            short.replace(":3:", "::"),
        ],
    }


def _chained(facts: tuple[tuple[Any, ...], ...]) -> tuple[list[dict[str, Any]], list[str]]:
    entries, links = [], []
    value = bytes(32)
    for sequence, (decided_at, command, caller, process_id, state, payload) in enumerate(facts, 1):
        payload_hash = hashlib.sha256(payload.encode()).digest()
        parts = [value, 0, sequence, decided_at, command, caller, process_id, state, payload_hash]
        link = cbor2.dumps(["tallymark journal", 1, *parts])
        value = hashlib.sha256(link).digest()
        links.append(link.hex())
        entries.append(
            _exported(sequence, decided_at, command, caller, process_id, state, payload, value)
        )
    return entries, links


def _exported(  # noqa: PLR0913, PLR0917 - one argument per fact
    sequence: int,
    decided_at: int,
    command: str,
    caller: str,
    process_id: str,
    state: int,
    payload: str,
    value: bytes,
) -> dict[str, Any]:
    """Return the entry as proto3 JSON: what is empty is left out."""
    entry = {
        "sequence": str(sequence),
        "decidedAt": _time_text(decided_at),
        "command": command,
        "caller": caller,
        "processId": process_id,
        "state": _STATES[state],
        "payload": payload,
        "chainHash": base64.b64encode(value).decode(),
    }
    return {name: text for name, text in entry.items() if text}


_STATES: Final = {0: "", 3: "PROCESS_STATE_INSTRUCTED", 6: "PROCESS_STATE_COMPLETED"}


def _changed(name: str, entries: list[dict[str, Any]], sequence: int, fault: str) -> dict[str, Any]:
    return {"name": name, "entries": entries, "first": {"sequence": sequence, "fault": fault}}


def _short(entries: list[dict[str, Any]], sequence: int) -> str:
    value = base64.b64decode(entries[sequence - 1]["chainHash"])
    return f"tmc1:0:{sequence}:{value[:16].hex()}"


def _time_text(milliseconds: int) -> str:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    whole = milliseconds % 1000 == 0
    text = time.isoformat(timespec="seconds" if whole else "milliseconds")
    return text.replace("+00:00", "Z")
