"""All tables: one for every row class of the model."""

import importlib
import pkgutil
from typing import Any

from tallymark_server.domain import model
from tallymark_server.domain.state import Row

__all__ = ["all_tables"]


def all_tables() -> tuple[type[Row], ...]:
    """Return every row class that a module of the model defines, by the name of its table."""
    found = (
        value
        for module in pkgutil.iter_modules(model.__path__, prefix=f"{model.__name__}.")
        for value in vars(importlib.import_module(module.name)).values()
        if _is_row_of(module.name, value)
    )
    return tuple(sorted(found, key=lambda row: row.table))


def _is_row_of(module_name: str, value: Any) -> bool:  # noqa: ANN401 -- anything a module may hold
    is_row = isinstance(value, type) and issubclass(value, Row) and value is not Row
    return is_row and value.__module__ == module_name
