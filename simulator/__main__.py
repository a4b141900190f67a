"""``python -m simulator --port N [--config FILE.yaml | --preset NAME]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from simulator.config import Config
from simulator.presets import PRESETS
from simulator.serve import run


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="A strict local Ptolemy and Cadenza."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, help="YAML file of configuration keys")
    source.add_argument("--preset", choices=sorted(PRESETS), default="reference")
    chosen = parser.parse_args()
    config = Config.load(chosen.config) if chosen.config else Config.preset(chosen.preset)
    run(config, chosen.host, chosen.port)


if __name__ == "__main__":
    main()
