#!/usr/bin/env python3
"""Runs the benchmarks named on the command line, or all. See README.md."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
BENCHMARKS = {"gateway": HERE / "gateway.py", "rag": HERE / "rag.py"}


def main():
    wanted = sys.argv[1:] or list(BENCHMARKS)
    for name in wanted:
        if name not in BENCHMARKS:
            print(f"bench: there is no benchmark '{name}'; there is: {', '.join(BENCHMARKS)}")
            return 2
    return max(subprocess.run([sys.executable, BENCHMARKS[name]]).returncode for name in wanted)


if __name__ == "__main__":
    sys.exit(main())
