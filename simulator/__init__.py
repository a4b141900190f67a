"""A strict local Ptolemy: real HTTP on loopback, for the demo, the tests and the benchmarks."""
