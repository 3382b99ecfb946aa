"""The protocol over gRPC: `inference.GRPCInferenceService`."""

from serving.api.oip import messages
from serving.api.oip.inference import infer, served
from serving.api.oip.metadata import (
    EXTENSIONS,
    PLATFORM,
    SERVER_NAME,
    config_datatype,
    dims_of,
    model_metadata,
    server_version,
)
from serving.api.oip.signatures import Port
from serving.api.rpc.call import Call
from serving.api.rpc.standing import Standing
from serving.errors import Code, JubakoError
from wire._generated import predict_pb2 as pb


class InferenceService:
    """Answers each method with its message; what a call needs beside that is done where all calls are handled."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    async def ServerLive(
        self, request: pb.ServerLiveRequest, call: Call[pb.ServerLiveRequest]
    ) -> pb.ServerLiveResponse:
        """Answer at all."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(
        self, request: pb.ServerReadyRequest, call: Call[pb.ServerReadyRequest]
    ) -> pb.ServerReadyResponse:
        """Tell whether every model has computed something lately."""
        try:
            await self._standing.core.check_ready()
        except JubakoError as error:
            return pb.ServerReadyResponse(ready=_unless_not_ready(error))
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(
        self, request: pb.ModelReadyRequest, call: Call[pb.ModelReadyRequest]
    ) -> pb.ModelReadyResponse:
        """Tell whether a model has computed something lately.

        Raises:
            JubakoError: `unknown_model`.
        """
        try:
            core = self._standing.core
            await core.check_model(served(core, request.name, request.version).manifest.name)
        except JubakoError as error:
            return pb.ModelReadyResponse(ready=_unless_not_ready(error))
        return pb.ModelReadyResponse(ready=True)

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, call: Call[pb.ServerMetadataRequest]
    ) -> pb.ServerMetadataResponse:
        """Tell what this server is."""
        return pb.ServerMetadataResponse(name=SERVER_NAME, version=server_version(), extensions=EXTENSIONS)

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, call: Call[pb.ModelMetadataRequest]
    ) -> pb.ModelMetadataResponse:
        """Tell which tensors a model takes and gives.

        Raises:
            JubakoError: `unknown_model` or `not_ready`.
        """
        core = self._standing.core
        metadata = model_metadata(core, served(core, request.name, request.version))
        return pb.ModelMetadataResponse(
            name=metadata.name,
            versions=[metadata.version],
            platform=PLATFORM,
            inputs=map(_port, metadata.inputs),
            outputs=map(_port, metadata.outputs),
        )

    async def ModelConfig(
        self, request: pb.ModelConfigRequest, call: Call[pb.ModelConfigRequest]
    ) -> pb.ModelConfigResponse:
        """Tell of Triton's configuration what load generators read.

        Raises:
            JubakoError: `unknown_model` or `not_ready`.
        """
        core = self._standing.core
        metadata = model_metadata(core, served(core, request.name, request.version))
        config = pb.ModelConfig(name=metadata.name, platform=PLATFORM, max_batch_size=metadata.max_batch)
        for port in metadata.inputs:
            kind, dims = config_datatype(port), dims_of(metadata, port)
            config.input.add(name=port.name, data_type=kind, dims=dims, optional=port.optional)
        for port in metadata.outputs:
            config.output.add(name=port.name, data_type=config_datatype(port), dims=dims_of(metadata, port))
        return pb.ModelConfigResponse(config=config)

    async def ModelInfer(
        self, request: pb.ModelInferRequest, call: Call[pb.ModelInferRequest]
    ) -> pb.ModelInferResponse:
        """Answer one inference request.

        Raises:
            JubakoError: see `inference.infer` and `messages.read`.
        """
        core = self._standing.core
        limits = core.settings.limits
        inferred = await infer(core, messages.read(limits, request, call.timeout_ms(limits.deadline_ms)))
        call.took(inferred.timed)
        return messages.write(inferred, request)


def _unless_not_ready(error: JubakoError) -> bool:
    """Return false for what is not ready, which this protocol does not take for an error."""
    if error.code is not Code.NOT_READY:
        raise error
    return False


def _port(port: Port) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=port.name, datatype=port.datatype, shape=port.shape)
