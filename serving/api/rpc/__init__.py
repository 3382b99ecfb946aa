"""The gRPC transport, in the worker's event loop beside HTTP: read messages, call the core, write messages.

`services.py` lists what is served and `server.py` serves it; whatever all calls have in common, such as errors, time,
request ids, metrics and the log, is in `handling.py`, so that a servicer is left with its messages.
"""
