"""What is served over gRPC."""

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from serving.api.oip.rpc import InferenceService
from serving.api.rpc.encoder import Encoder
from serving.api.rpc.handling import Service
from serving.api.rpc.health import Health
from serving.api.rpc.reflection import Reflection
from serving.api.rpc.standing import Standing
from serving.settings import Settings
from wire._generated import encoder_pb2, predict_pb2


def services(standing: Standing, settings: Settings) -> list[Service]:
    """Return all services: those of the models, and those that tell about the server."""
    served = [
        Service(encoder_pb2.DESCRIPTOR.services_by_name["Encoder"], Encoder(standing, settings)),
        Service(predict_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"], InferenceService(standing)),
    ]
    health = Health(standing, [service.name for service in served], settings)
    served.append(Service(health_pb2.DESCRIPTOR.services_by_name["Health"], health, counted=False))
    if settings.grpc.reflection:
        reflection = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
        names = [*(service.name for service in served), reflection.full_name]
        pools = [service.descriptor.file.pool for service in served]
        served.append(Service(reflection, Reflection(names, pools)))
    return served
