"""Finds fields by their full names, anywhere in a message.

A field is selected as "tallymark.v1.Process.process_id"; `*` stands for any characters. So the same
rule holds wherever a message of that type occurs, however deep, and no path is written down.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

__all__ = ["Finder", "Place", "Selection"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """One value in a message, which can be replaced: a field, or an element of a repeated one."""

    message: Message
    field: FieldDescriptor
    index: int | None = None
    is_listed: bool = False
    """Whether it is in a list, at any level, beside others of its kind."""

    @property
    def value(self) -> Any:  # noqa: ANN401 -- a field holds what its type says
        """Return what stands there."""
        held = getattr(self.message, self.field.name)
        return held if self.index is None else held[self.index]

    def put(self, value: Any) -> None:  # noqa: ANN401 -- the same
        """Replace what stands there."""
        if self.index is None:
            setattr(self.message, self.field.name, value)
        else:
            getattr(self.message, self.field.name)[self.index] = value


class Selection(Generic[T]):
    """What rules say of fields; the first selector that matches a field counts."""

    def __init__(self, selectors: Mapping[str, T]) -> None:
        """Take what each selector stands for."""
        self._exact = {name: item for name, item in selectors.items() if "*" not in name}
        self._patterns = [(name, item) for name, item in selectors.items() if "*" in name]
        self._found: dict[str, T | None] = {}

    def of(self, field: FieldDescriptor) -> T | None:
        """Return what was said of this field, if anything."""
        name = field.full_name
        if name not in self._found:
            matching = (item for pattern, item in self._patterns if fnmatchcase(name, pattern))
            self._found[name] = self._exact.get(name) or next(matching, None)
        return self._found[name]


class Finder(Generic[T]):
    """Finds every selected value of a message; looks only where one can be."""

    def __init__(self, selection: Selection[T], unordered: Collection[str] = ()) -> None:
        """Take the selection, and the names of repeated fields whose elements have no order."""
        self._selection = selection
        self._unordered = frozenset(unordered)
        self._branches: dict[str, tuple[FieldDescriptor, ...]] = {}

    def find(self, message: Message, *, is_listed: bool = False) -> Iterator[tuple[Place, T]]:
        """Yield the places that are filled, in the order of their fields' numbers.

        Maps are not searched.
        """
        for field in self._fields(message):
            selected = self._selection.of(field)
            held = getattr(message, field.name)
            if _is_map(field):
                continue
            if field.message_type is not None:
                if field.is_repeated:
                    for element in held:
                        yield from self.find(element, is_listed=True)
                elif message.HasField(field.name):
                    yield from self.find(held, is_listed=is_listed)
            elif selected is not None and field.is_repeated:
                for index in range(len(held)):
                    yield Place(message, field, index, is_listed=True), selected
            elif selected is not None and held:
                yield Place(message, field, is_listed=is_listed), selected

    def pairs(self, one: Message, other: Message) -> Iterator[tuple[Place, Place, T]]:
        """Yield the places that are filled in both; elements of lists are paired by index.

        Lists without an order are left out.
        """
        for field in self._fields(one):
            selected = self._selection.of(field)
            held, others = getattr(one, field.name), getattr(other, field.name)
            if _is_map(field) or field.full_name in self._unordered:
                continue
            if field.is_repeated:
                for index, (element, its_other) in enumerate(zip(held, others, strict=False)):
                    if field.message_type is not None:
                        yield from self.pairs(element, its_other)
                    elif selected is not None:
                        yield Place(one, field, index), Place(other, field, index), selected
            elif field.message_type is None:
                if held and others and selected is not None:
                    yield Place(one, field), Place(other, field), selected
            elif one.HasField(field.name) and other.HasField(field.name):
                yield from self.pairs(held, others)

    def _fields(self, message: Message) -> tuple[FieldDescriptor, ...]:
        descriptor = cast("Descriptor", message.DESCRIPTOR)
        if descriptor.full_name not in self._branches:
            self._branches[descriptor.full_name] = tuple(
                field
                for field in descriptor.fields
                if self._selection.of(field) is not None or self._leads_on(field)
            )
        return self._branches[descriptor.full_name]

    def _leads_on(self, field: FieldDescriptor) -> bool:
        """Say whether a selected field is anywhere below; types may contain themselves."""
        seen: set[str] = set()
        waiting = [field.message_type]
        while waiting:
            inner = waiting.pop()
            if inner is None or inner.full_name in seen or inner.GetOptions().map_entry:
                continue
            seen.add(inner.full_name)
            if any(self._selection.of(one) is not None for one in inner.fields):
                return True
            waiting += [one.message_type for one in inner.fields]
        return False


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
