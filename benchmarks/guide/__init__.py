"""The loops of the vendor's guides as plain scripts: the baseline of the benchmarks."""
