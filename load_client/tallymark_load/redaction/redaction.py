"""Takes secrets out of what is recorded, before it is written.

A secret becomes a pseudonym: "redacted:" and 16 hexadecimal digits, HMAC-SHA-256 with a key that is
made for each recording and kept nowhere. Equal values stay equal, so that a replay finds in which
later request a recorded code or token came back; nobody, not even with the recording and a list of
all six-digit codes, gets from a pseudonym to its value.

What is replaced: every field that its contract marks with `debug_redact`; what the rules name; in
contracts that mark nothing, fields whose names sound like secrets; values of metadata keys such as
authorization, whose scheme ("Bearer") stays. What cannot be understood is left out, not written as
it is: bodies of methods without a contract, fields that the contract here does not know.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from tallymark_load.redaction.rules import (
    SECRET_NAMES,
    Kind,
    RedactionRules,
    matches,
    shipped_rules,
)
from tallymark_load.replay.contracts import Contracts

__all__ = ["PSEUDONYM_PREFIX", "Redacted", "Redaction"]

PSEUDONYM_PREFIX: Final = "redacted:"

SCHEMES: Final = ("Bearer ", "Basic ", "Digest ", "Token ")
BUILT_IN_PACKAGE: Final = "tallymark.v1."
ANY: Final = "google.protobuf.Any"

KEYS_KEPT: Final = 1024
"""Keys of metadata for which the rules are not asked again."""

Replace = Callable[[bytes], str]


class Redacted(NamedTuple):
    """A message that may be written, and whether anything of it is missing."""

    data: bytes
    is_truncated: bool


class Redaction:
    """The redaction of one recording."""

    def __init__(
        self,
        *,
        contracts: Contracts | None = None,
        rules: RedactionRules | None = None,
        is_personal_redacted: bool = False,
        unsafe_keep_unknown: bool = False,
        key: bytes | None = None,
    ) -> None:
        """Make a key of its own, unless a test gives one.

        Without contracts and rules, those of Tallymark count. unsafe_keep_unknown keeps bodies and
        error texts of methods without a contract, with whatever is in them.
        """
        self._contracts = contracts or Contracts()
        self._rules = rules or shipped_rules()
        self.is_personal_redacted = is_personal_redacted
        self._keeps_unknown = unsafe_keep_unknown
        self._key = key or secrets.token_bytes(32)
        self._replacements: dict[Kind, Replace] = {
            Kind.TEXT: self.pseudonym,
            Kind.TELEPHONE: self._telephone,
            Kind.LOGIN_NAME: self._login_name,
        }
        self._hides_key = lru_cache(KEYS_KEPT)(self._rules.hides_key)
        self._plans: dict[str, _Plan] = {}

    def pseudonym(self, value: bytes) -> str:
        """Return what stands for a value, the same for equal values."""
        return PSEUDONYM_PREFIX + self._digest(value)[:16]

    def body(self, method: str, body: bytes, *, is_request: bool) -> Redacted:
        """Return a message as it may be written."""
        known = self._contracts.method(method)
        kind = known.request if is_request else known.response
        if kind is None:
            return Redacted(body, is_truncated=False) if self._keeps_unknown else _left_out(body)
        try:
            message = kind.FromString(body)
        except DecodeError:
            return _left_out(body)
        return self._cleaned(message)

    def metadata(self, pairs: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Return metadata as it may be written."""
        return [
            (key, self._value(value) if self._hides_key(key) else value) for key, value in pairs
        ]

    def keeps_errors_of(self, method: str) -> bool:
        """Tell whether error texts and details of a method may be written as they are."""
        return self._keeps_unknown or self._contracts.method(method).response is not None

    def replaces(self, field: FieldDescriptor) -> Kind | None:
        """Return what a field is replaced with, if it is."""
        name = field.full_name
        if field.GetOptions().debug_redact or matches(name, self._rules.fields):
            return Kind.TEXT
        if self.is_personal_redacted:
            for selector, kind in self._rules.personal.items():
                if matches(name, (selector,)):
                    return kind
        marks_its_own = name.startswith(BUILT_IN_PACKAGE)
        if marks_its_own or matches(name, self._rules.keep) or not _is_text(field):
            return None
        return Kind.TEXT if matches(field.name.lower(), SECRET_NAMES) else None

    def _cleaned(self, message: Message) -> Redacted:
        length = message.ByteSize()
        # A newer contract may have new secrets.
        message.DiscardUnknownFields()
        is_truncated = message.ByteSize() != length
        is_truncated |= self._redact(message)
        return Redacted(message.SerializeToString(), is_truncated)

    def _redact(self, message: Message) -> bool:
        """Replace what has to be; return whether something had to be left out instead."""
        if message.DESCRIPTOR.full_name == ANY:
            return self._redact_packed(message)
        is_truncated = False
        for step in self._plan(cast("Descriptor", message.DESCRIPTOR)):
            if step.kind is not None:
                is_truncated |= self._replace(message, step.field, step.kind)
                continue
            for child in _children(message, step):
                is_truncated |= self._redact(child)
        return is_truncated

    def _replace(self, message: Message, field: FieldDescriptor, kind: Kind) -> bool:
        held: Any = getattr(message, field.name)
        if not _is_text(field):
            is_filled = any(filled.name == field.name for filled, _ in message.ListFields())
            message.ClearField(field.name)
            return is_filled
        if field.is_repeated:
            held[:] = [self._stand_in(value, kind) for value in held]
        elif held:
            setattr(message, field.name, self._stand_in(held, kind))
        return False

    def _stand_in(self, value: str | bytes, kind: Kind) -> str | bytes:
        replace = self._replacements[kind]
        return replace(value.encode()) if isinstance(value, str) else replace(value).encode()

    def _redact_packed(self, packed: Any) -> bool:  # noqa: ANN401 -- an Any of whichever pool
        """Redact the message within, or empty it when its type is not known."""
        try:
            pool = packed.DESCRIPTOR.file.pool
            inner = pool.FindMessageTypeByName(packed.type_url.rpartition("/")[2])
            message = message_factory.GetMessageClass(inner).FromString(packed.value)
        except (KeyError, DecodeError):
            packed.value = b""
            return True
        packed.value, is_truncated = self._cleaned(message)
        return is_truncated

    def _plan(self, descriptor: Descriptor) -> "_Plan":
        """Return the fields of a type in which there can be something to replace."""
        plan = self._plans.get(descriptor.full_name)
        if plan is None:
            steps = (self._step(field) for field in descriptor.fields)
            plan = self._plans[descriptor.full_name] = tuple(step for step in steps if step)
        return plan

    def _step(self, field: FieldDescriptor) -> "_Step | None":
        kind = self.replaces(field)
        inner = field.message_type
        is_map = False
        if inner is not None and inner.GetOptions().map_entry:
            is_map = True
            inner = inner.fields_by_name["value"].message_type
        if kind is None and (inner is None or not self._reaches(inner, set())):
            return None
        return _Step(field, kind, is_map=is_map)

    def _reaches(self, descriptor: Descriptor, seen: set[str]) -> bool:
        if descriptor.full_name == ANY:
            return True
        if descriptor.full_name in seen:
            return False
        seen.add(descriptor.full_name)
        return any(
            self.replaces(field) is not None
            or (field.message_type is not None and self._reaches(field.message_type, seen))
            for field in descriptor.fields
        )

    def _value(self, value: bytes) -> bytes:
        for scheme in SCHEMES:
            if value[: len(scheme)].lower() == scheme.lower().encode():
                return value[: len(scheme)] + self.pseudonym(value[len(scheme) :]).encode()
        return self.pseudonym(value).encode()

    def _telephone(self, value: bytes) -> str:
        """Return a number of E.164 form: no country has the code 999."""
        return f"+999{int(self._digest(value)[:15], 16) % 10**11:011d}"

    def _login_name(self, value: bytes) -> str:
        return f"redacted-{self._digest(value)[:16]}"

    def _digest(self, value: bytes) -> str:
        return hmac.new(self._key, value, sha256).hexdigest()


class _Step(NamedTuple):
    """What to do with one field: replace it, or look into it."""

    field: FieldDescriptor
    kind: Kind | None
    is_map: bool


_Plan = tuple[_Step, ...]


def _children(message: Message, step: _Step) -> list[Message]:
    """Return the messages that a field holds."""
    held: Any = getattr(message, step.field.name)
    if step.is_map:
        return [held[key] for key in held]
    if step.field.is_repeated:
        return list(held)
    return [held] if message.HasField(step.field.name) else []


def _is_text(field: FieldDescriptor) -> bool:
    return field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


def _left_out(body: bytes) -> Redacted:
    return Redacted(b"", is_truncated=bool(body))
