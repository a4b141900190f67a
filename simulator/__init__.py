"""A strict local Ptolemy and Cadenza: real HTTP on loopback, for demo, tests and benchmarks."""

from simulator.config import Config
from simulator.serve import Simulator, run

__all__ = ["Config", "Simulator", "run"]
