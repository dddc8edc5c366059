"""Turns messages of the contract into plain values, which the rest of the program works with.

Enum values lose their prefix, times become RFC 3339 text, bytes hexadecimal. What is unset is None;
of a choice only the member that is set appears.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias, TypeVar, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["Plain", "Row", "UnknownName", "from_row", "to_row"]

Plain: TypeAlias = "str | int | bool | list[Plain] | dict[str, Plain] | None"
Row: TypeAlias = "dict[str, Plain]"

MessageT = TypeVar("MessageT", bound=Message)


class UnknownName(ValueError):
    """The name is not a value of the enum. The message lists the names."""


def to_row(message: Message) -> Row:
    """Return the fields of a message by name."""
    return {
        field.name: _field_to_plain(message, field)
        for field in _fields(message)
        if not _is_choice(field) or message.HasField(field.name)
    }


def from_row(row: Row, message: MessageT) -> MessageT:
    """Fill a message of numbers, truth values, texts and enums, and return it.

    None leaves an optional field unset.

    Raises:
        UnknownName: a name that its enum does not have.

    """
    fields = {field.name: field for field in _fields(message)}
    for name, value in row.items():
        enum = fields[name].enum_type
        if enum is not None:
            setattr(message, name, _number(enum, str(value)))
        elif value is not None:
            setattr(message, name, value)
    return message


def _fields(message: Message) -> list[FieldDescriptor]:
    return cast("list[FieldDescriptor]", message.DESCRIPTOR.fields)


def _is_choice(field: FieldDescriptor) -> bool:
    """Return whether the field is a member of a choice; each optional one is alone in its own."""
    choice = field.containing_oneof
    return choice is not None and choice.name != f"_{field.name}"


def _field_to_plain(message: Message, field: FieldDescriptor) -> Plain:
    value: object = getattr(message, field.name)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_to_plain(item, field.enum_type) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _to_plain(value, field.enum_type)


def _to_plain(value: object, enum: EnumDescriptor | None) -> Plain:
    match value:
        case Timestamp():
            plain: Plain = value.ToJsonString()
        case Message():
            plain = to_row(value)
        case bytes():
            plain = value.hex()
        case int() if enum is not None:
            plain = _name(enum, value)
        case str() | int():
            plain = value
        case _:
            message = "the contracts have a type that this module does not know"
            raise TypeError(message)
    return plain


def _name(enum: EnumDescriptor, number: int) -> str | None:
    """Return the name without prefix; None for "unspecified", digits for one of a newer server."""
    if number == 0:
        return None
    if number not in enum.values_by_number:
        return str(number)
    return enum.values_by_number[number].name.removeprefix(_prefix(enum))


def _number(enum: EnumDescriptor, name: str) -> int:
    wanted = name.upper().replace("-", "_")
    value = enum.values_by_name.get(_prefix(enum) + wanted)
    if value is None or value.number == 0:
        names = [_name(enum, value.number) or "" for value in enum.values if value.number]
        message = f"Use one of {', '.join(names)}."
        raise UnknownName(message)
    return value.number


def _prefix(enum: EnumDescriptor) -> str:
    """Return RULE_SET_ for RuleSet."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
