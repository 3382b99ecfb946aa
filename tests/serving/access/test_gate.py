import pytest

from serving.access.caller import ANYONE, CALLER, NOBODY
from serving.access.gate import OPEN, Gate
from serving.access.keyring import Keyring
from serving.access.keys import new_key
from serving.access.records import Endpoint
from serving.errors import Code, JubakoError
from tests.serving.access.test_keyring import record_of

KEY = new_key()
EMBED, MODELS = frozenset({Endpoint.EMBED}), frozenset({Endpoint.MODELS})


@pytest.fixture
def gate() -> Gate:
    return Gate(Keyring({KEY.id: record_of(KEY, endpoints=["embed"], requests_per_second=1000)}, None))


@pytest.mark.parametrize("headers", [
    [(b"authorization", f"Bearer {KEY}".encode())],
    [(b"authorization", f"bearer  {KEY} ".encode())],
    [(b"x-api-key", str(KEY).encode())],
    [(b"authorization", b"Basic dTpw"), (b"x-api-key", str(KEY).encode())],
    [(b"authorization", f"Bearer {KEY}".encode()), (b"authorization", b"Bearer other")],
])  # fmt: skip
async def test_a_key_comes_in_either_header(gate: Gate, headers: list[tuple[bytes, bytes]]) -> None:
    gate.admit_headers(EMBED, headers)
    assert CALLER.get().id == KEY.id


@pytest.mark.parametrize("headers", [
    [], [(b"authorization", b"")], [(b"authorization", b"Bearer ")], [(b"authorization", str(KEY).encode())],
    [(b"authorization", f"Basic {KEY}".encode())], [(b"x-api-key", f"Bearer {KEY}".encode())],
    [(b"x-api-key", b"\xff")],
    [(b"authorization", b"Bearer none"), (b"x-api-key", str(KEY).encode())], [(b"cookie", str(KEY).encode())],
])  # fmt: skip
async def test_anything_else_is_no_key(gate: Gate, headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(JubakoError) as caught:
        gate.admit_headers(EMBED, headers)
    assert caught.value.code is Code.UNAUTHENTICATED
    assert CALLER.get() is ANYONE


async def test_metadata_are_as_headers(gate: Gate) -> None:
    gate.admit_metadata(EMBED, [("x-trace-bin", b"\0"), ("authorization", f"Bearer {KEY}")])
    assert CALLER.get().id == KEY.id
    with pytest.raises(JubakoError):
        gate.admit_metadata(EMBED, [("authorization-bin", str(KEY).encode())])


async def test_scopes_are_held_to_before_the_quota_is_touched(gate: Gate) -> None:
    for _ in range(1001):
        with pytest.raises(JubakoError) as caught:
            gate.admit_headers(MODELS, [(b"x-api-key", str(KEY).encode())])
        assert caught.value.code is Code.FORBIDDEN
    gate.admit_headers(EMBED | MODELS, [(b"x-api-key", str(KEY).encode())])


async def test_health_is_open_and_whoever_asks_is_nobody(gate: Gate) -> None:
    gate.admit_headers(OPEN, [(b"authorization", b"Bearer wrong")])
    assert CALLER.get() is NOBODY


async def test_a_gate_without_a_keyring_lets_everybody_in() -> None:
    Gate().admit_headers(EMBED, [(b"authorization", b"Bearer wrong")])
    assert CALLER.get() is ANYONE
    assert not Gate().needs_keys


def test_metrics_have_a_rule_of_their_own() -> None:
    ring = Keyring({}, None)
    assert Gate(ring).of_metrics == OPEN
    assert Gate(ring, metrics_need_a_key=True).of_metrics == {Endpoint.METRICS}
