"""How a terminal's call finds its partition and its process."""

from collections.abc import Collection, Iterable

from tallymark.v1 import identification_pb2
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tallymark_server.domain.commands import (
    Caller,
    CodeIdentification,
    TelephoneIdentification,
)
from tallymark_server.domain.identifiers import DIRECTORY, partition_of_id
from tallymark_server.domain.model.people import NumberOwner
from tallymark_server.domain.model.processes import Process, Request
from tallymark_server.domain.processes.finish import RESOLVE_RPC
from tallymark_server.domain.processes.terminal_view import as_terminal_sees
from tallymark_server.keyring import Keyring
from tallymark_server.services.answering import load_one
from tallymark_server.services.code_maker import CodeMaker
from tallymark_server.services.issued_codes import IssuedCode
from tallymark_server.storage.store import Store

__all__ = ["Lookup"]


class Lookup:
    """Finds partitions, requests and processes."""

    def __init__(
        self, *, store: Store, keyring: Keyring, codes: CodeMaker, partitions: Collection[int]
    ) -> None:
        """Take the parts it works with, and the partitions that this server owns."""
        self._store = store
        self._keyring = keyring
        self._codes = codes
        self._partitions = partitions

    async def identify(
        self, caller: Caller, message: identification_pb2.Identification, request_id: str
    ) -> tuple[int, CodeIdentification | TelephoneIdentification]:
        """Return where the customer's data is and how the rules of a ResolveCode find it."""
        if message.WhichOneof("by") == "code":
            read = await self._read(caller, message.code, request_id)
            return read.partition, CodeIdentification(
                expires_at_seconds=read.expires_at_seconds,
                cti_hash=read.cti_hash,
                text_hash=read.text_hash,
            )
        number_hash = self._keyring.number_hash(message.telephone_number)
        partition = await self.partition_of(message)
        return partition, TelephoneIdentification(number_hash=number_hash)

    async def partition_of(self, message: identification_pb2.Identification) -> int:
        """Return the partition of an identification.

        One that this server does not own knows no process.
        """
        match message.WhichOneof("by"):
            case "code":
                partition = self._partition_of_code(message.code)
            case "code_reference":
                partition = message.code_reference.partition
            case "process_id":
                partition = partition_of_id(message.process_id)
            case _:
                number_hash = self._keyring.number_hash(message.telephone_number)
                owner = await load_one(self._store, NumberOwner.key_of(number_hash))
                partition = owner.customer_partition if owner else DIRECTORY
        if partition not in self._partitions:
            raise Refused(Reason.PROCESS_NOT_FOUND)
        return partition

    async def request(
        self, caller: Caller, reference: identification_pb2.ProcessReference
    ) -> Request | None:
        """Return the caller's ResolveCode with this request_id, if it was decided."""
        partition = await self.partition_of(reference.identification)
        return await self._decided(caller, partition, reference.resolve_request_id)

    async def own_process(
        self, caller: Caller, reference: identification_pb2.ProcessReference
    ) -> Process:
        """Return the caller's process as the caller may see it.

        Raises:
            Refused: PROCESS_NOT_FOUND, for others' too.

        """
        process_id = reference.identification.process_id
        if not process_id:
            known = await self.request(caller, reference)
            process_id = known.process_id if known else ""
        process = None
        if process_id:
            process = await load_one(self._store, Process.key_of(process_id))
        if process is None or process.terminal_id != caller.caller_id:
            raise Refused(Reason.PROCESS_NOT_FOUND)
        return as_terminal_sees(process)

    async def process(self, process_id: str) -> Process:
        """Return a process that is known to exist, as its terminal may see it."""
        process = await load_one(self._store, Process.key_of(process_id))
        assert process is not None, "an answered process exists"
        return as_terminal_sees(process)

    async def processes(self, process_ids: Iterable[str]) -> dict[str, Process]:
        """Return processes that are known to exist, by id, as their terminals may see them."""
        keys = {Process.key_of(process_id) for process_id in process_ids}
        if not keys:
            return {}
        rows = (await self._store.load(keys)).values()
        return {row.process_id: as_terminal_sees(row) for row in rows if isinstance(row, Process)}

    async def _read(self, caller: Caller, text: str, request_id: str) -> IssuedCode:
        """Read a code; one whose key is gone only to find what was decided while it was there.

        A terminal that never got that answer would take a refusal for the end of it.
        """
        try:
            return self._codes.read(text)
        except Refused as no:
            if no.reason is not Reason.CODE_KEY_UNKNOWN:
                raise
            read = self._codes.read_gone(text)
            if await self._decided(caller, read.partition, request_id) is None:
                raise
            return read

    def _partition_of_code(self, text: str) -> int:
        """Return where a code is kept; requests about one whose key is gone are still found."""
        try:
            return self._codes.read(text).partition
        except Refused as no:
            if no.reason is not Reason.CODE_KEY_UNKNOWN:
                raise
            return self._codes.read_gone(text).partition

    async def _decided(self, caller: Caller, partition: int, request_id: str) -> Request | None:
        key = Request.key_of(partition, request_id.lower(), RESOLVE_RPC, caller.name)
        return await load_one(self._store, key)
