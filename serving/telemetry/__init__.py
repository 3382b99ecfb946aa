"""What is told of the work: metrics, spans and logs; docs/metrics.md tells what they mean."""
