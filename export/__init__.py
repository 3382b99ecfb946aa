"""Export: PyTorch module -> ONNX -> fused -> 8-bit and fp16, each gated, into one bundle."""
