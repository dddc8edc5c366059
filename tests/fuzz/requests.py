"""Requests of any RPC from its descriptor: nearly right, at the bounds, hostile, or no message.

They are made by a seeded generator of our own and not by Hypothesis, which takes longer to make one
than the server to answer it, and cannot be awaited. The same seed makes the same requests.
"""

import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from tests.fuzz.mutation import Mutator
from tests.world.contract import Rpc

__all__ = ["Requests"]

DEPTH_MAX: Final = 6
LONG: Final = 20_000
SHORT_WAIT_MILLISECONDS: Final = 20
EXPENSIVE: Final = 0.02
"""Share of values that are very long or very many."""

_INT32, _INT64 = 2**31, 2**63

_STRANGE_TEXTS: Final = (
    *("", " ", "\x00", "a\x00b", "\n", "\u202e\u200f", "e\u0301" * 20, "\U0001f4a3", "\ufeff"),
    *("'; DROP TABLE codes; --", '"}],{"', "%s%n%x", "{0.__class__.__init__}", "../../etc/passwd"),
    *("<script>", "-1", "0", "1e9", "null", "TM1:", "TT1:", "tmc1:0:0:", "+49", "9" * 19, "A" * 64),
    *("Bearer x", "EUR", "eur", "2030-12", "2026-02-30", "cafe", "hall", "jazz", "beans", "till-1"),
    *(
        "till-2",
        "gate-1",
        "first",
        "ana",
        "bob",
        "A-1",
        "B-1",
        "welcome",
        "correct horse",
        "00" * 17,
    ),
)


class Requests:
    """Makes requests of one RPC, as bytes."""

    def __init__(self, rpc: Rpc, *, chance: random.Random, words: Sequence[str] = ()) -> None:
        """Take the RPC, and texts that mean something to the server, such as ids and codes."""
        self._rpc = rpc
        self._chance = chance
        self._words = [*_STRANGE_TEXTS, *words]
        self._makers: dict[int, Callable[[FieldDescriptor], Any]] = {
            FieldDescriptor.CPPTYPE_STRING: self._text_or_bytes,
            FieldDescriptor.CPPTYPE_BOOL: lambda _: chance.random() < 0.5,
            FieldDescriptor.CPPTYPE_ENUM: self._enum,
            FieldDescriptor.CPPTYPE_INT32: lambda field: self._number(field, -_INT32, _INT32 - 1),
            FieldDescriptor.CPPTYPE_INT64: lambda field: self._number(field, -_INT64, _INT64 - 1),
            FieldDescriptor.CPPTYPE_UINT32: lambda field: self._number(field, 0, 2 * _INT32 - 1),
            FieldDescriptor.CPPTYPE_UINT64: lambda field: self._number(field, 0, 2 * _INT64 - 1),
        }

    def next(self, sample: Message | None) -> bytes:
        """Return the next request; `sample` is one that is right, and stays as it is."""
        request = self._rpc.empty_request()
        if sample is not None and self._chance.random() < 0.6:
            request.CopyFrom(sample)
            for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3))):
                self._change(request, depth=0)
        else:
            self._fill(request, depth=0)
        if "request_id" in request.DESCRIPTOR.fields_by_name and self._chance.random() < 0.8:
            request.request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        if "wait_milliseconds" in request.DESCRIPTOR.fields_by_name and self._chance.random() < 0.9:
            # The server honours it, and none means five seconds: a campaign would do little else.
            wait = request.wait_milliseconds or SHORT_WAIT_MILLISECONDS
            request.wait_milliseconds = min(wait, SHORT_WAIT_MILLISECONDS)
        data = bytes(request.SerializeToString())
        return self._damage(data) if self._chance.random() < 0.25 else data

    def _damage(self, data: bytes) -> bytes:
        """Break the bytes: cut, other wire types, fields twice, unknown fields, no UTF-8."""
        seed = str(self._chance.random())
        mutator = Mutator([data or b"\x0a\x00"], seed=seed, size_max=len(data) + 4_096)
        return mutator.next()

    def _fill(self, message: Any, *, depth: int) -> None:
        """Give each field a value, or none."""
        for field in message.DESCRIPTOR.fields:
            if self._chance.random() < (0.75 if depth == 0 else 0.6):
                self._set(message, field, depth=depth)

    def _change(self, message: Any, *, depth: int) -> None:
        """Change one field, somewhere inside."""
        fields = message.DESCRIPTOR.fields
        if not fields:
            return
        field = self._chance.choice(fields)
        is_inside = field.message_type is not None and not field.is_repeated
        if is_inside and message.HasField(field.name) and self._chance.random() < 0.8:
            self._change(getattr(message, field.name), depth=depth + 1)
        elif field.message_type is not None and field.is_repeated and getattr(message, field.name):
            self._change(self._chance.choice(getattr(message, field.name)), depth=depth + 1)
        elif self._chance.random() < 0.2:
            message.ClearField(field.name)
        else:
            self._set(message, field, depth=depth)

    def _set(self, message: Any, field: FieldDescriptor, *, depth: int) -> None:
        if field.is_repeated:
            message.ClearField(field.name)
            for _ in range(self._count(field, depth)):
                if field.message_type is not None:
                    self._fill(getattr(message, field.name).add(), depth=depth + 1)
                else:
                    getattr(message, field.name).append(self._makers[field.cpp_type](field))
        elif field.message_type is None:
            setattr(message, field.name, self._makers[field.cpp_type](field))
        else:
            getattr(message, field.name).SetInParent()
            if depth < DEPTH_MAX:
                self._fill(getattr(message, field.name), depth=depth + 1)

    def _count(self, field: FieldDescriptor, depth: int) -> int:
        bound = max((rule for rule in _bounds(field) if rule > 0), default=3)
        if self._chance.random() < EXPENSIVE and depth == 0:
            return self._chance.choice((bound, bound + 1))
        return min(self._chance.choice((0, 1, 1, 2, 3)), bound + 1)

    def _text_or_bytes(self, field: FieldDescriptor) -> str | bytes:
        size = self._chance.choice((0, 1, 2, 16, 32, 64, 65, *_bounds(field)))
        size += self._chance.choice((-1, 0, 0, 1))
        if self._chance.random() < EXPENSIVE:
            size = LONG
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._chance.randbytes(max(0, size))
        if self._chance.random() < 0.6:
            return self._chance.choice(self._words)
        return self._chance.choice(("a", "7", "-", "\u00e9", "A1")) * max(0, size)

    def _enum(self, field: FieldDescriptor) -> int:
        numbers = [value.number for value in _enum_of(field).values]
        return int(self._chance.choice((*numbers, *numbers, 99, -1, _INT32 - 1)))

    def _number(self, field: FieldDescriptor, least: int, most: int) -> int:
        near = [bound + step for bound in _bounds(field) for step in (-1, 0, 1)]
        number = self._chance.choice((0, 1, -1, 2, 100, 1_000, least, most, *near))
        if self._chance.random() < 0.1:
            number = self._chance.randint(least, most)
        return min(max(number, least), most)


def _enum_of(field: FieldDescriptor) -> EnumDescriptor:
    assert field.enum_type is not None
    return field.enum_type


def _bounds(field: FieldDescriptor) -> list[int]:
    """Return the numbers in the contract's rules for a field: lengths, counts, values."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    kind = rules.WhichOneof("type")
    if kind is None:
        return []
    values = [value for _, value in getattr(rules, kind).ListFields()]
    return [value for value in values if type(value) is int and value < LONG]
