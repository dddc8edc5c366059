"""Rows in which every text is one that can be looked for."""

import types
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from tallymark_server.domain.state import Row

__all__ = ["planted_row", "planted_texts"]

R = TypeVar("R", bound=Row)


def planted_row(table: type[R]) -> R:
    """Return a row with every field given; each text says where it stands, at any depth."""
    row: R = _filled(table, f"planted-{table.table}")
    return row


def planted_texts(row: Row) -> set[str]:
    """Return the texts planted in a row, except those of its key, which are never sealed."""
    return {text for text in _texts(msgspec.to_builtins(row)) if text not in row.text}


def _filled(kind: Any, path: str) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        return _filled(get_args(kind)[0], path)
    if get_origin(kind) is tuple:
        return (_filled(get_args(kind)[0], path),)
    if issubclass(kind, msgspec.Struct):
        return kind(
            **{
                field.name: _filled(field.type, f"{path}-{field.name}")
                for field in msgspec.structs.fields(kind)
            }
        )
    if issubclass(kind, Enum):
        return next(iter(kind))
    return {bool: True, int: 1, str: path, bytes: path.encode()}[kind]


def _texts(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value} if value.startswith("planted-") else set()
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(_texts, inside))
