"""The messages that server and clients exchange over gRPC, made from `proto/` by `python -m wire.generate`."""
