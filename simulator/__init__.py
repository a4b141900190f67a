"""A strict local Ptolemy: real HTTP on loopback, for the demo, the tests and the benchmarks."""

from simulator.config import Config
from simulator.serve import Simulator, run

__all__ = ["Config", "Simulator", "run"]
