"""The benchmarks: what the design promises in numbers, each beside its floor in the same run."""
