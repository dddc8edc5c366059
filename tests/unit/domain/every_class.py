"""The classes that the rules define."""

import importlib
import pkgutil
from typing import TypeVar

import tallymark_server.domain

__all__ = ["classes_of_domain"]

T = TypeVar("T")


def classes_of_domain(base: type[T]) -> set[type[T]]:
    """Return every class of the rules that is a kind of this one."""
    domain = tallymark_server.domain
    for module in pkgutil.walk_packages(domain.__path__, prefix=f"{domain.__name__}."):
        importlib.import_module(module.name)
    return {kind for kind in _kinds_of(base) if kind.__module__.startswith(domain.__name__)}


def _kinds_of(base: type[T]) -> set[type[T]]:
    return {base}.union(*(_kinds_of(kind) for kind in base.__subclasses__()))
