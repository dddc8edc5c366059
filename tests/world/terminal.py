"""A merchant's terminal: codes that it shows, and what becomes of their processes."""

from typing import Any

from tallymark.v1 import action_pb2, identification_pb2, terminal_service_pb2
from tests.world.actor import Actor
from tests.world.messages import by_process, new_id

__all__ = ["Terminal"]


class Terminal(Actor):
    """A till or gate."""

    terminal_id = ""
    merchant_id = ""

    def resolve_request(
        self, code: str, *actions: action_pb2.Action, **more: Any
    ) -> terminal_service_pb2.ResolveCodeRequest:
        more.setdefault("request_id", new_id())
        return terminal_service_pb2.ResolveCodeRequest(
            identification=identification_pb2.Identification(code=code), actions=actions, **more
        )

    async def resolve(self, code: str, *actions: action_pb2.Action, **more: Any) -> Any:
        request = self.resolve_request(code, *actions, **more)
        return (await self.call("ResolveCode", request)).process

    async def tag(self, *, printed: bool = False) -> str:
        request = terminal_service_pb2.GetTagRequest(printed=printed)
        return str((await self.call("GetTag", request)).tag)

    async def complete(self, process_id: str, **more: Any) -> Any:
        more.setdefault("request_id", new_id())
        request = terminal_service_pb2.CompleteProcessRequest(
            reference=by_process(process_id), **more
        )
        return await self.call("CompleteProcess", request)

    async def reverse(self, process_id: str, **more: Any) -> Any:
        more.setdefault("request_id", new_id())
        request = terminal_service_pb2.ReverseProcessRequest(
            reference=by_process(process_id), **more
        )
        return await self.call("ReverseProcess", request)

    async def get(self, process_id: str) -> Any:
        request = terminal_service_pb2.GetProcessRequest(reference=by_process(process_id))
        return (await self.call("GetProcess", request)).process

    async def update_points(self, process_id: str, version: int, new_balance: int) -> Any:
        request = terminal_service_pb2.UpdatePointsRequest(
            request_id=new_id(),
            reference=by_process(process_id),
            version=version,
            new_balance=new_balance,
        )
        return (await self.call("UpdatePoints", request)).process
