"""The protocols and the ways of loading them that are measured beside each other."""

from dataclasses import dataclass
from enum import StrEnum

from loadtests.protocol_wires import GRPC, HTTP, OIP_GRPC, OIP_HTTP, Wire


class Load(StrEnum):
    """Who sends the requests."""

    LEAN = "hand-written"
    """Raw bytes on raw connections: costs so little that it is the server that is measured."""
    LIBRARY = "grpc.aio"
    """Raw calls of the library."""
    CLIENT = "our client"
    """`jubako.client.AsyncClient`: what a caller in Python has, from the text to the vector as numpy."""


@dataclass(frozen=True)
class Arm:
    """One protocol under one load."""

    name: str
    wire: Wire
    load: Load

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.wire.title}, {self.load}"


PLAIN_HTTP = Arm("http", HTTP, Load.LEAN)
LEAN_GRPC = Arm("grpc", GRPC, Load.LEAN)
CLIENT_HTTP = Arm("http-client", HTTP, Load.CLIENT)
CLIENT_GRPC = Arm("grpc-client", GRPC, Load.CLIENT)
ARMS = {
    arm.name: arm
    for arm in (
        PLAIN_HTTP,
        LEAN_GRPC,
        Arm("grpc-aio", GRPC, Load.LIBRARY),
        Arm("oip-http", OIP_HTTP, Load.LEAN),
        Arm("oip-grpc", OIP_GRPC, Load.LEAN),
        CLIENT_HTTP,
        CLIENT_GRPC,
    )
}
BASES = {Load.LEAN: PLAIN_HTTP, Load.LIBRARY: PLAIN_HTTP, Load.CLIENT: CLIENT_HTTP}
"""What an arm is held against."""
