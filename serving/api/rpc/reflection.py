"""The service `grpc.reflection.v1alpha.ServerReflection`: which services and messages there are."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.reflection import aio

from serving.api.rpc.call import Call

FoundT = TypeVar("FoundT")


class Pools:
    """Several descriptor pools as one: the first that knows a name answers."""

    def __init__(self, pools: Iterable[DescriptorPool]) -> None:
        self._pools = list(dict.fromkeys(pools))

    def FindFileByName(self, name: str) -> FileDescriptor:
        """Return a file's descriptor, or raise `KeyError`."""
        return self._find(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """Return the descriptor of the file that has a symbol, or raise `KeyError`."""
        return self._find(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Descriptor:
        """Return a message's descriptor, or raise `KeyError`."""
        return self._find(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Descriptor, number: int) -> FieldDescriptor:
        """Return an extension's descriptor, or raise `KeyError`."""
        return message.file.pool.FindExtensionByNumber(message, number)

    def FindAllExtensions(self, message: Descriptor) -> list[FieldDescriptor]:
        """Return the extensions of a message."""
        return message.file.pool.FindAllExtensions(message)

    def _find(self, look_up: Callable[[DescriptorPool], FoundT]) -> FoundT:
        for pool in self._pools[:-1]:
            try:
                return look_up(pool)
            except KeyError:
                continue
        return look_up(self._pools[-1])


class Reflection:
    """gRPC's own servicer, behind ours."""

    def __init__(self, services: Collection[str], pools: Iterable[DescriptorPool]) -> None:
        self._inner = aio.ReflectionServicer(services, pool=Pools(pools))

    async def ServerReflectionInfo(self, call: Call[Any]) -> None:
        """Answer a client's questions one by one."""
        async for response in self._inner.ServerReflectionInfo(_requests(call), None):
            await call.write(response)


async def _requests(call: Call[Any]) -> AsyncIterator[Any]:
    while (request := await call.read()) is not None:
        yield request
