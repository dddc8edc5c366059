"""Rows with anything in them that their types allow."""

import types
from enum import Enum
from typing import Any, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from tallymark_server.domain.state import Row

__all__ = ["rows_of"]

_STORED_INTEGERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def rows_of(table: type[Row]) -> st.SearchStrategy[Row]:
    """Return a strategy for rows of this table, with every field given."""
    return _structs(table, partition=st.integers(min_value=0, max_value=255))


def _structs(kind: type[msgspec.Struct], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    values = {field.name: _values(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **(values | given))


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if get_origin(kind) in {Union, types.UnionType}:
        return st.one_of([_values(choice) for choice in get_args(kind)])
    if get_origin(kind) is tuple:
        return st.lists(_values(get_args(kind)[0]), max_size=3).map(tuple)
    if issubclass(kind, msgspec.Struct):
        return _structs(kind)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    return {
        bool: st.booleans(),
        int: _STORED_INTEGERS,
        str: st.text(max_size=20),
        bytes: st.binary(max_size=20),
        types.NoneType: st.none(),
    }[kind]
