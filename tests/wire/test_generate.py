import pytest

from wire import generate
from wire._generated import encoder_pb2, predict_pb2


def test_the_generated_modules_are_current() -> None:
    """`make proto` makes them."""
    assert generate.main(["--check"]) == 0


def test_a_module_that_is_not_current_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "generate", lambda: {"encoder_pb2.py": "something else"})
    assert generate.main(["--check"]) == 1
    assert "encoder_pb2.py; run `make proto`" in capsys.readouterr().out


def test_messages_of_the_open_inference_protocol_have_a_pool_of_their_own() -> None:
    assert predict_pb2.DESCRIPTOR.pool is not encoder_pb2.DESCRIPTOR.pool


def test_tritons_messages_can_be_loaded_beside_ours() -> None:
    from tritonclient.grpc import service_pb2

    ours, theirs = predict_pb2.ModelInferRequest, service_pb2.ModelInferRequest
    assert ours.DESCRIPTOR.full_name == theirs.DESCRIPTOR.full_name
    assert ours.FromString(theirs(model_name="m").SerializeToString()).model_name == "m"
