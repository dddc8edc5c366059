"""Requests with one field broken, for every rule of the contract that a request can break.

They are made from the descriptors, so a new rule of the contract is tested without a line here.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2

__all__ = ["Broken", "broken_fields", "message_rules"]

A_LONG_TEXT = "a" * 10_000
A_STRANGE_TEXT = "?\u0000\u20ac"
INT64 = 2**63
NONE_CHOSEN = "exactly one field is required in oneof"


class Broken(NamedTuple):
    """Where a request is broken and by which value; None leaves the field out."""

    path: tuple[FieldDescriptor, ...]
    value: Any

    @property
    def shown_path(self) -> str:
        """The path as BadRequest shows it, always in the first element of a list."""
        *parents, last = self.path
        names = [f"{one.name}[0]" if one.is_repeated else str(one.name) for one in parents]
        is_item = last.is_repeated and isinstance(self.value, bytes)
        return ".".join([*names, f"{last.name}[0]" if is_item else str(last.name)])

    def apply(self, request: Any) -> None:
        """Break the request."""
        *parents, last = self.path
        place = request
        for field in parents:
            child = getattr(place, field.name)
            if field.is_repeated:
                child = child[0] if child else child.add()
            else:
                child.SetInParent()
            place = child
        if self.value is None:
            place.ClearField(last.name)
        elif last.is_repeated and isinstance(self.value, bytes):
            getattr(place, last.name)[0] = self.value
        elif last.is_repeated:
            _repeat(getattr(place, last.name), self.value)
        elif last.message_type is not None:
            getattr(place, last.name).CopyFrom(self.value)
        else:
            setattr(place, last.name, self.value)


def broken_fields(message: Descriptor, above: tuple[FieldDescriptor, ...] = ()) -> Iterator[Broken]:
    """Yield every way to break one field of a request, however deep."""
    for field in message.fields:
        path = (*above, field)
        rules = field.GetOptions().Extensions[validate_pb2.field]
        for value in _bad_values(rules):
            yield Broken(path, value)
        if field.message_type is not None and field.message_type.file.package == "tallymark.v1":
            yield from broken_fields(field.message_type, path)


def message_rules(message: Descriptor) -> dict[str, str]:
    """Return the rules about several fields, in a request and everything in it: id and text."""
    rules = message.GetOptions().Extensions[validate_pb2.message].cel
    found = {str(rule.id): str(rule.message) for rule in rules}
    for choice in message.oneofs:
        if choice.GetOptions().Extensions[validate_pb2.oneof].required:
            found[f"{message.name}.{choice.name}"] = NONE_CHOSEN
    for field in message.fields:
        if field.message_type is not None and field.message_type.file.package == "tallymark.v1":
            found |= message_rules(field.message_type)
    return found


def _repeat(items: Any, count: int) -> None:
    first = items[0]
    if isinstance(first, Message):
        first = type(items[0])()
        first.CopyFrom(items[0])
    del items[:]
    items.extend([first] * count)


def _bad_values(rules: validate_pb2.FieldRules) -> Iterator[Any]:
    if rules.required:
        yield None
    kind = rules.WhichOneof("type")
    if kind is None:
        return
    may_be_empty = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
    makers: dict[str, Callable[..., list[Any]]] = {
        "string": _bad_texts,
        "bytes": _bad_bytes,
        "enum": _bad_numbers_of_enum,
        "repeated": _bad_counts,
        "timestamp": _bad_times,
    }
    for rule, bound in getattr(rules, kind).ListFields():
        if kind in {"int32", "int64", "uint32"}:
            yield {"gte": bound - 1, "gt": bound, "lte": bound + 1}[rule.name]
        else:
            yield from makers[kind](rule.name, bound, may_be_empty=may_be_empty)


def _bad_texts(rule: str, bound: Any, *, may_be_empty: bool) -> list[str]:
    match rule:
        case "min_len":
            return ["x" * (bound - 1)]
        case "max_len":
            return ["x" * (bound + 1), A_LONG_TEXT]
        case "uuid" | "pattern":
            return [A_STRANGE_TEXT, A_LONG_TEXT, *([] if may_be_empty else [""])]
    raise AssertionError(rule)


def _bad_bytes(rule: str, bound: int, *, may_be_empty: bool) -> list[bytes]:
    assert not may_be_empty
    return {
        "len": [b"", bytes(bound - 1), bytes(bound + 1)],
        "min_len": [bytes(bound - 1)],
        "max_len": [bytes(bound + 1)],
    }[rule]


def _bad_numbers_of_enum(rule: str, bound: Any, *, may_be_empty: bool) -> list[int]:
    assert not may_be_empty
    return list(bound) if rule == "not_in" else [99, -1]


def _bad_counts(rule: str, bound: Any, *, may_be_empty: bool) -> list[Any]:
    assert not may_be_empty
    if rule == "items":
        return list(_bad_values(bound))
    return [bound + 1] if rule == "max_items" else [None]


def _bad_times(rule: str, bound: timestamp_pb2.Timestamp, *, may_be_empty: bool) -> list[Any]:
    assert not may_be_empty
    off = {"gte": -1, "lte": 1}[rule]
    beyond = timestamp_pb2.Timestamp(seconds=bound.seconds + off)
    return [beyond, timestamp_pb2.Timestamp(seconds=off * (INT64 - 1))]
