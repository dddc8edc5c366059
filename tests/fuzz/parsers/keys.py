"""Keys, signatures and requests for certificates, as phones, terminals and operators send them."""

from collections.abc import Sequence
from functools import cache

from tallymark_protocol.certificate_request import ClientKey, NotAClientKey
from tallymark_protocol.device_key import DevicePrivateKey, DevicePublicKey, NotADeviceKey
from tallymark_server.tls.authority import Authority, CertificateLives, RequestInvalid
from tests.fuzz.parser import Budget, Parser
from tests.fuzz.parsers.signed_texts import vectors

__all__ = ["PARSERS"]

NOW = 1_790_000_000_000


def _public_keys() -> Sequence[bytes]:
    """Return keys with their algorithm's number in front."""
    return [
        bytes([entry["algorithm"]]) + bytes.fromhex(entry["key_bytes"])
        for entry in vectors("signatures")["device_keys"]["valid"]
    ]


def _read_public_key(data: bytes) -> DevicePublicKey:
    return DevicePublicKey.parse(data[0] if data else 0, data[1:])


def _signatures() -> Sequence[bytes]:
    return [
        bytes.fromhex(each["signature"]) for each in vectors("signatures")["device_keys"]["valid"]
    ]


def _verify(signature: bytes) -> None:
    """Let each algorithm look at a signature, which proves nothing here or something."""
    for key in _verifying_keys():
        key.verify(b"message", signature)


@cache
def _verifying_keys() -> Sequence[DevicePublicKey]:
    return [_read_public_key(key) for key in _public_keys()]


@cache
def _authority() -> Authority:
    kept: dict[str, bytes] = {}
    lives = CertificateLives()
    return Authority.open(lambda name, make: kept.setdefault(name, make()), now=NOW, lives=lives)


def _issue(request: bytes) -> str:
    issued = _authority().issue_client(request, kind="terminal", owner_id="till-1", now=NOW)
    return issued.certificate_pem


@cache
def _requests() -> Sequence[bytes]:
    return [ClientKey.generate().certificate_request() for _ in range(3)]


@cache
def _client_keys() -> Sequence[bytes]:
    return [ClientKey.generate().to_pem()]


@cache
def _device_keys() -> Sequence[bytes]:
    return [DevicePrivateKey.generate().to_pem(), *_client_keys()]


_SLOW = Budget(milliseconds=50)

PARSERS = (
    Parser(
        name="device_key",
        read=_read_public_key,
        write=lambda key: bytes([key.algorithm]) + key.key_bytes,
        refusals=(NotADeviceKey,),
        seeds=_public_keys,
        size_max=256,
    ),
    Parser(name="device_signature", read=_verify, refusals=(), seeds=_signatures, size_max=256),
    Parser(
        name="certificate_request",
        read=_issue,
        refusals=(RequestInvalid,),
        seeds=_requests,
        budget=_SLOW,
    ),
    Parser(
        name="client_key_pem",
        read=ClientKey.from_pem,
        refusals=(NotAClientKey,),
        seeds=_client_keys,
        budget=_SLOW,
    ),
    Parser(
        name="device_key_pem",
        read=DevicePrivateKey.from_pem,
        refusals=(NotADeviceKey,),
        seeds=_device_keys,
        budget=_SLOW,
    ),
)
