"""Exchanging a one-time code for a secret, the same way for terminals and operators."""

from typing import Final, NamedTuple

from tallymark.v1 import operator_service_pb2, terminal_service_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain import commands
from tallymark_server.domain.answers import Done
from tallymark_server.domain.commands import Caller
from tallymark_server.domain.identifiers import DIRECTORY
from tallymark_server.domain.model.merchants import CallerKind, Credential
from tallymark_server.keyring import Keyring, secret_hash
from tallymark_server.lanes.lane import Lane
from tallymark_server.services.answering import decided, load_one, request_key
from tallymark_server.storage.store import Store

__all__ = ["Enrolled", "enrol"]

_RPC_AND_LABEL: Final = {
    CallerKind.TERMINAL: ("Enroll", "tmt"),
    CallerKind.OPERATOR: ("EnrollOperator", "tmo"),
}


class Enrolled(NamedTuple):
    """Who enrolled, with the secret to call with."""

    owner_id: str
    secret: str


async def enrol(
    lane: Lane,
    store: Store,
    keyring: Keyring,
    kind: CallerKind,
    request: terminal_service_pb2.EnrollRequest | operator_service_pb2.EnrollOperatorRequest,
) -> Enrolled:
    """Use up the code; the same request gets the same secret again, as long as it is not revoked.

    Raises:
        Refused: ENROLMENT_CODE_INVALID.

    """
    rpc, label = _RPC_AND_LABEL[kind]
    code_hash = secret_hash(request.enrolment_code)
    secret = keyring.derive_secret(label, code_hash, request.request_id.lower())
    command = commands.Enrol(
        caller=Caller(kind=CallerKind.ANYONE, caller_id=code_hash),
        partition=DIRECTORY,
        request=request_key(keyring, rpc, request, request.request_id),
        kind=kind,
        code_hash=code_hash,
        secret_hash=secret_hash(secret),
    )
    await decided(lane, command, Done)
    credential = await load_one(store, Credential.key_of(command.secret_hash))
    if credential is None:
        raise Refused(Reason.ENROLMENT_CODE_INVALID)
    return Enrolled(credential.owner_id, secret)
