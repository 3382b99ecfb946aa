"""The load process of the benchmark of protocols.

`python -m loadtests.protocol_process WORK MODEL PLAN.json RECORD.npz`, where WORK is the name of an arm, for a closed
loop of single requests, or `stream` or `lists`, for all requests once. The plan's requests are bodies of `POST /embed`;
they are turned into the protocol's own before anything is sent.
"""

import json
import sys

from loadtests.client_process import main, mark
from loadtests.plan import Plan, Record
from loadtests.protocol_arms import ARMS, Load
from loadtests.protocol_loops import LeanCalls, Lists, Requests, calls, client_calls, stream
from wire._generated import encoder_pb2 as pb

STREAM, LISTS = "stream", "lists"


async def load(work: str, model: str, plan: Plan) -> Record:
    """Carry out a plan in this process."""
    if work == STREAM:
        return await stream(plan, mark, _streamed(plan))
    if work == LISTS:
        return await Lists(plan, mark).run()
    arm = ARMS[work]
    over_grpc = arm.wire.over_grpc
    match arm.load:
        case Load.LEAN:
            loop = LeanCalls if over_grpc else Requests
            return await loop(plan, mark, arm.wire.render(plan, model)).run()
        case Load.LIBRARY:
            return await calls(plan, mark, arm.wire.render(plan, model))
        case Load.CLIENT:
            texts = [json.loads(request.body)["inputs"][0].encode() for request in plan.requests]
            return await client_calls(plan, mark, texts, "grpc" if over_grpc else "http")


def _streamed(plan: Plan) -> list[bytes]:
    asked = [json.loads(request.body)["inputs"] for request in plan.requests]
    return [
        pb.EmbedStreamRequest(inputs=[pb.Input(text=text) for text in texts]).SerializeToString() for texts in asked
    ]


if __name__ == "__main__":
    work, model, plan_file, record_file = sys.argv[1:]
    main(plan_file, record_file, lambda plan: load(work, model, plan))
