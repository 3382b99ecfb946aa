"""The open inference protocol, version 2, as KServe and Triton speak it: named tensors in, named tensors out.

https://github.com/kserve/open-inference-protocol, with the extension for binary tensor data. What is transport-free is
in `tensors`, `signatures`, `inference` and `metadata`; `http` and `rpc` only parse and format.
"""
