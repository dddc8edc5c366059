"""What is replaced in messages, so that no secret of a contract is ever forgotten."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from hypothesis import given
from hypothesis import strategies as st

from tallymark.v1 import (
    credit_institution_service_pb2,
    customer_service_pb2,
    operator_service_pb2,
    terminal_service_pb2,
)
from tallymark_load.redaction import Redaction, RedactionRules, UnusableRules
from tallymark_load.replay.contracts import Contracts

METHODS: list[MethodDescriptor] = [
    method
    for module in (
        credit_institution_service_pb2,
        customer_service_pb2,
        operator_service_pb2,
        terminal_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]

SECRET = "a-secret-of-somebody"

Path = tuple[FieldDescriptor, ...]


def paths_to_secrets(descriptor: Descriptor, above: Path = ()) -> Iterator[Path]:
    """Yield every way from a message to a field that its contract marks as a secret."""
    for field in descriptor.fields:
        path = (*above, field)
        if field.GetOptions().debug_redact:
            yield path
        elif field.message_type and field.message_type not in {one.containing_type for one in path}:
            yield from paths_to_secrets(field.message_type, path)


def with_secret(descriptor: Descriptor, path: Path) -> Any:
    """Return a message that holds nothing but a secret at the end of the path."""
    message: Any = message_factory.GetMessageClass(descriptor)()
    inner = message
    for field in path[:-1]:
        held = getattr(inner, field.name)
        inner = held.add() if field.is_repeated else held
    setattr(inner, path[-1].name, SECRET)
    return message


CASES = [
    pytest.param(method, is_request, path, id=f"{method.full_name}-{path[-1].full_name}-{number}")
    for method in METHODS
    for is_request in (True, False)
    for number, path in enumerate(
        paths_to_secrets(method.input_type if is_request else method.output_type)
    )
]


def test_the_contracts_have_secrets_in_requests_answers_and_deep_within() -> None:
    assert len(CASES) > 30
    assert {is_request for _, is_request, _ in (case.values for case in CASES)} == {True, False}
    assert max(len(list(path)) for path in _all_paths()) > 2


def _all_paths() -> Iterator[Path]:
    for method in METHODS:
        yield from paths_to_secrets(method.input_type)


@pytest.mark.parametrize(("method", "is_request", "path"), CASES)
def test_every_field_that_a_contract_marks_is_replaced(
    method: MethodDescriptor, path: Path, *, is_request: bool
) -> None:
    message = with_secret(method.input_type if is_request else method.output_type, path)

    redacted = Redaction().body(
        f"/{method.containing_service.full_name}/{method.name}",
        message.SerializeToString(),
        is_request=is_request,
    )

    assert SECRET.encode() not in redacted.data
    assert b"redacted:" in redacted.data
    assert not redacted.is_truncated


def test_what_is_no_secret_stays_as_it_was() -> None:
    request = terminal_service_pb2.ResolveCodeRequest(request_id="a-request")
    request.identification.telephone_number = "+4930123456"
    body = request.SerializeToString()

    redacted = Redaction().body("/tallymark.v1.TerminalService/ResolveCode", body, is_request=True)

    assert redacted == (body, False)


def test_persons_are_replaced_by_what_still_is_valid() -> None:
    request = customer_service_pb2.RegisterCustomerRequest(
        login_name="ana", telephone_number="+4930123456"
    )

    redacted = Redaction(is_personal_redacted=True).body(
        "/tallymark.v1.CustomerService/RegisterCustomer",
        request.SerializeToString(),
        is_request=True,
    )

    read = customer_service_pb2.RegisterCustomerRequest.FromString(redacted.data)
    assert read.login_name.startswith("redacted-")
    assert read.telephone_number.startswith("+999")
    assert len(read.telephone_number) == 15


@pytest.mark.parametrize(
    ("key", "is_hidden"),
    [
        ("authorization", True),
        ("x-goog-iam-authorization-token", True),
        ("set-cookie", True),
        ("x-api-key", True),
        ("session-id", True),
        ("tallymark-witness", False),
        ("traceparent", False),
    ],
)
def test_metadata_that_sounds_like_a_secret_is_replaced(key: str, *, is_hidden: bool) -> None:
    [(_, value)] = Redaction().metadata([(key, SECRET.encode())])

    assert (SECRET.encode() not in value) == is_hidden


def test_a_body_that_is_not_what_its_contract_says_is_left_out() -> None:
    redacted = Redaction().body(
        "/tallymark.v1.CustomerService/SignIn", b"\xff\xff", is_request=True
    )

    assert redacted == (b"", True)


@given(st.binary(max_size=100), st.sampled_from(METHODS), st.booleans())
def test_any_bytes_are_redacted_or_left_out(
    body: bytes,
    method: MethodDescriptor,
    is_request: bool,  # noqa: FBT001 -- drawn
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"

    redacted = Redaction().body(path, body, is_request=is_request)

    assert Redaction().body(path, redacted.data, is_request=is_request).is_truncated is False


class TestOfOthers:
    """A contract that marks nothing, known from its descriptors only."""

    @pytest.fixture
    def message(self) -> Any:
        message: Any = message_factory.GetMessageClass(
            _POOL.FindMessageTypeByName("shop.v1.Order")
        )()
        message.api_token = SECRET
        message.note = "to be kept"
        message.page_token = "page 2"
        message.passwords.append(SECRET)
        message.by_name["x"].api_token = SECRET
        message.packed.Pack(customer_service_pb2.SignInRequest(password=SECRET))
        return message

    def test_fields_are_replaced_by_their_names(self, message: Any) -> None:
        rules = RedactionRules(keep=("shop.v1.Order.page_token",), fields=("shop.v1.*.note",))
        redaction = Redaction(contracts=Contracts([_POOL]), rules=rules)

        redacted = redaction.body("/shop.v1.Shop/Buy", message.SerializeToString(), is_request=True)

        assert SECRET.encode() not in redacted.data
        assert b"to be kept" not in redacted.data
        assert b"page 2" in redacted.data

    def test_what_is_packed_in_an_unknown_type_is_emptied(self, message: Any) -> None:
        message.packed.type_url = "type.googleapis.com/shop.v1.Unheard"
        redaction = Redaction(contracts=Contracts([_POOL]))

        redacted = redaction.body("/shop.v1.Shop/Buy", message.SerializeToString(), is_request=True)

        assert redacted.is_truncated
        assert SECRET.encode() not in redacted.data


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[redact", "rules.toml: "),
        ("[redact]\nfeilds = []", "has no feilds"),
        ("[redact]\nfields = 'one'", "must be a list of texts"),
        ("[redact.personal]\n'a.B.c' = 'shoe size'", "'shoe size' is not a valid Kind"),
    ],
)
def test_rules_that_make_no_sense_say_where(text: str, fault: str) -> None:
    with pytest.raises(UnusableRules, match=fault):
        RedactionRules.of_text(text, name="rules.toml")


def test_other_tables_of_a_file_of_rules_are_for_others() -> None:
    rules = RedactionRules.of_text("[replay]\nx = 1\n[redact]\nmetadata = ['x-*']", name="r")

    assert rules.hides_key("x-anything")
    assert not rules.hides_key("y-anything")


def _shop() -> descriptor_pool.DescriptorPool:
    """Return the descriptors of a service that this program does not know."""
    file = FileDescriptorProto(
        name="shop/v1/shop.proto",
        package="shop.v1",
        syntax="proto3",
        dependency=["google/protobuf/any.proto"],
    )
    order = file.message_type.add(name="Order")
    texts = {"api_token": 1, "note": 2, "page_token": 3, "passwords": 4}
    for name, number in texts.items():
        label = FieldDescriptorProto.LABEL_OPTIONAL
        if name == "passwords":
            label = FieldDescriptorProto.LABEL_REPEATED
        order.field.add(
            name=name, number=number, type=FieldDescriptorProto.TYPE_STRING, label=label
        )
    order.field.add(
        name="packed",
        number=5,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".google.protobuf.Any",
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    order.field.add(
        name="by_name",
        number=6,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".shop.v1.Order.ByNameEntry",
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    entry = order.nested_type.add(name="ByNameEntry")
    entry.options.map_entry = True
    entry.field.add(
        name="key",
        number=1,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    entry.field.add(
        name="value",
        number=2,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".shop.v1.Order",
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    service = file.service.add(name="Shop")
    service.method.add(name="Buy", input_type=".shop.v1.Order", output_type=".shop.v1.Order")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(AnyMessage.DESCRIPTOR.file.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _shop()
