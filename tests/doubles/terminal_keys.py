"""The part of the double of the TerminalService that signs: codes, tags, and the list of keys."""

import uuid
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import key_pb2
from tallymark.v1 import terminal_service_pb2 as pb
from tallymark_protocol.code_claims import CodeClaims
from tallymark_protocol.code_format import sign
from tallymark_protocol.terminal_tag import NONCE_BYTES, TagClaims, TagKind
from tallymark_protocol.terminal_tag import sign as sign_tag
from tests.doubles.terminal_access import MERCHANT_ID, TERMINAL_ID, Context, stamp
from tests.doubles.terminal_calls import TerminalCalls

__all__ = ["TerminalKeys"]

KEYS = {number: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2)}


class TerminalKeys(TerminalCalls):
    """Signs with two keys, of which it tells those in `key_ids`."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Take the server's clock, in seconds since 1970."""
        super().__init__(now=now)
        self.tag_life_seconds = 60.0
        self.key_ids = [1]
        self.epoch = 7

    def issue_code(
        self,
        *,
        life_seconds: float = 60,
        key_id: int = 1,
        epoch: int | None = None,
        audience: str | None = None,
    ) -> str:
        """Return the text of a new code."""
        claims = CodeClaims(
            expires_at=int(self.now() + life_seconds),
            cti=b"\x00" + uuid.uuid4().bytes + b"mac",
            audience=audience,
        )
        key = KEYS[key_id]
        return sign(claims, key_id=key_id, private_key=key, epoch=epoch or self.epoch)

    async def GetTag(self, request: pb.GetTagRequest, context: Context) -> pb.GetTagResponse:
        def get_tag() -> pb.GetTagResponse:
            life_seconds = 365 * 86_400.0 if request.printed else self.tag_life_seconds
            claims = TagClaims(
                terminal_id=TERMINAL_ID,
                merchant_id=MERCHANT_ID,
                expires_at=int(self.now() + life_seconds),
                kind=TagKind.PRINTED if request.printed else TagKind.DISPLAY,
                nonce=uuid.uuid4().bytes[:NONCE_BYTES],
            )
            return pb.GetTagResponse(
                tag=sign_tag(claims, key_id=1, private_key=KEYS[1], epoch=self.epoch),
                expires_at=stamp(claims.expires_at),
                next_at=stamp(self.now() + life_seconds * 0.75),
            )

        return await self._do("GetTag", request, context, get_tag)

    async def ListVerificationKeys(
        self, request: pb.ListVerificationKeysRequest, context: Context
    ) -> pb.ListVerificationKeysResponse:
        def list_keys() -> pb.ListVerificationKeysResponse:
            keys = [
                key_pb2.VerificationKey(
                    key_id=number,
                    public_key=key_pb2.PublicKey(
                        algorithm=key_pb2.KEY_ALGORITHM_ED25519,
                        key_bytes=KEYS[number].public_key().public_bytes_raw(),
                    ),
                    valid_from=stamp(self.now() - 86_400),
                    valid_until=stamp(self.now() + 86_400),
                )
                for number in self.key_ids
            ]
            return pb.ListVerificationKeysResponse(
                keys=keys,
                epoch=self.epoch,
                server_time=stamp(self.now()),
                checkpoint=self.journal.signed(),
            )

        return await self._do("ListVerificationKeys", request, context, list_keys)
