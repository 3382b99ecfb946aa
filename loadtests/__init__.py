"""Load tests and the benchmark: what a number in the README was measured with, and how to measure it again."""
