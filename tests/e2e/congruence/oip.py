"""The ways through the open inference protocol: JSON over HTTP, and Triton's client with binary tensors over gRPC."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import httpx
import numpy as np
import tritonclient.grpc as triton
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tritonclient.utils import InferenceServerException

from tests.e2e.congruence.arms import Unsayable
from tests.e2e.congruence.calls import RECOMMENDER, Call
from tests.e2e.congruence.outcomes import Outcome, as_a_whole

Strings = Mapping[str, list[str]]
Parameters = dict[str, str | bool | int | float]
Tensors = Mapping[str, list[Any]]
"""By name, as nested lists."""

PATH = "the path names the model"
TYPES = "a tensor holds elements of one kind: texts, ids, records or people"
ENCODING = "the protocol encodes tensors in its own way"
ANCHORS = "items are ids; a record goes alone into record"
NOBODY = "a person is known by id, history or attributes"


class Said:
    """A call in the protocol's words."""

    def __init__(self, call: Call) -> None:
        body = {name: value for name, value in call.body.items() if value is not None}
        if "model" not in body:
            raise Unsayable(PATH)
        self.model: str = body.pop("model")
        self.task = call.task
        if call.task == "recommend":
            self.tensors: Strings = _asked(body)
        else:
            self.tensors = _inputs(body.pop("inputs"), of_shop=self.model == RECOMMENDER)
        if body.pop("encoding_format", "float") not in ("float", "base64"):
            raise Unsayable(ENCODING)
        documents = ("candidate_labels", "exclude", "filters")
        self.parameters: Parameters = {"task": call.task}
        for name, value in body.items():
            self.parameters[name] = json.dumps(value) if name in documents else value

    def outcome(self, version: str, tokens: int, told: Tensors) -> Outcome:
        """Return tensors as an outcome."""
        head = {"model": self.model, "version": version, "usage": {"tokens": tokens}}
        match self.task:
            case "embed":
                scales = (
                    [{"scale": scale} for scale in told["scale"]] if "scale" in told else [{}] * len(told["embedding"])
                )
                rows = zip(told["embedding"], scales, strict=True)
                return {**head, "data": [{"embedding": [*map(float, row)], **scale} for row, scale in rows]}
            case "classify":
                fields = ("label", "name", "score", "assigned")
                data = [
                    {"labels": [dict(zip(fields, each, strict=True)) for each in zip(*columns, strict=True)]}
                    for columns in zip(*(told[field] for field in fields), strict=True)
                ]
                return {**head, "data": data}
            case _:
                return {**head, **_recommended(told)}


class Oip:
    """What both ways have in common."""

    def seen(self, outcome: Outcome) -> Outcome:
        return as_a_whole(outcome)


class OipHttp(Oip):
    """JSON over HTTP."""

    name = "OIP HTTP"

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, call: Call) -> Outcome:
        said = Said(call)
        inputs = [
            {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": values}
            for name, values in said.tensors.items()
        ]
        body = {"inputs": inputs, "parameters": said.parameters}
        response = self._client.post(f"/v2/models/{said.model}/infer", json=body)
        payload = response.json()
        if response.status_code >= 400:
            return {"error": {"code": payload["error"].partition(":")[0]}}
        told = {
            output["name"]: np.array(output["data"], dtype=object).reshape(output["shape"]).tolist()
            for output in payload["outputs"]
        }
        return said.outcome(payload["model_version"], payload["parameters"]["tokens"], told)


class OipGrpc(Oip):
    """Binary tensors over gRPC, by Triton's client."""

    name = "OIP gRPC"

    def __init__(self, client: triton.InferenceServerClient) -> None:
        self._client = client

    def ask(self, call: Call) -> Outcome:
        said = Said(call)
        inputs = []
        for name, values in said.tensors.items():
            inputs.append(triton.InferInput(name, [len(values)], "BYTES"))
            inputs[-1].set_data_from_numpy(np.array([value.encode() for value in values], dtype=object))
        try:
            result = self._client.infer(said.model, inputs, parameters=said.parameters)
        except InferenceServerException as error:
            return {"error": {"code": _reason(error)}}
        response = result.get_response()
        told = {output.name: _decoded(result.as_numpy(output.name)) for output in response.outputs}
        return said.outcome(response.model_version, response.parameters["tokens"].int64_param, told)


def _inputs(inputs: Sequence[Any], of_shop: bool) -> Strings:
    if of_shop and all(isinstance(one, dict) and isinstance(one.get("user"), dict) for one in inputs) and inputs:
        return {"person": [json.dumps(one["user"]) for one in inputs]}
    if all(isinstance(one, str) for one in inputs):
        return {"item" if of_shop else "text": list(inputs)}
    if all(isinstance(one, dict) for one in inputs):
        return {"record": [json.dumps(one) for one in inputs]}
    raise Unsayable(TYPES)


def _asked(body: dict[str, Any]) -> Strings:
    tensors: dict[str, list[str]] = {}
    if "user" in body:
        user = {name: value for name, value in body.pop("user").items() if value is not None}
        if not user:
            raise Unsayable(NOBODY)
        if "id" in user:
            tensors["user"] = [str(user["id"])]
        if "history" in user:
            tensors["history"] = [*map(str, user["history"])]
        if "attributes" in user:
            tensors["attributes"] = [json.dumps(user["attributes"])]
    if "items" in body:
        items = body.pop("items")
        if any(isinstance(one, dict) for one in items):
            raise Unsayable(ANCHORS)
        tensors["items"] = [*map(str, items)]
    if "record" in body:
        tensors["record"] = [json.dumps(body.pop("record"))]
    return tensors


def _recommended(told: Tensors) -> Outcome:
    items = [{"id": item, "score": score} for item, score in zip(told["id"], told["score"], strict=True)]
    for item, title in zip(items, told["title"], strict=True):
        if title:
            item["title"] = title
    for item, reasons in zip(items, told.get("reasons", ()), strict=False):
        item["reasons"] = json.loads(reasons)
    unknown = {"unknown": told["unknown"]} if told["unknown"] else {}
    return {"strategy": told["strategy"][0], "cold_start": told["cold_start"][0], "items": items, **unknown}


def _reason(error: InferenceServerException) -> str:
    """Return the code in the details of the call that Triton's client has made an exception of."""
    assert isinstance(error.__context__, grpc.Call)
    status = rpc_status.from_call(error.__context__)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    code: str = info.reason
    return code


def _decoded(array: Any) -> list[Any]:
    if array.dtype == object:
        array = np.vectorize(bytes.decode, otypes=[object])(array) if array.size else array
    values: list[Any] = array.tolist()
    return values
