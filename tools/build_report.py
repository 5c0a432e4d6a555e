#!/usr/bin/env python3
"""Prints the ten dearest object files of a build folder, from ninja's own log.   tools/build_report.py BUILD"""
import pathlib
import sys


def main() -> int:
    log = pathlib.Path(sys.argv[1]) / ".ninja_log"
    if not log.exists():
        print(f"build-report: no {log}; 'make build' first")
        return 1
    took = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        words = line.split("\t")
        if len(words) == 5 and words[3].endswith((".o", ".pch")):
            took[words[3]] = (int(words[1]) - int(words[0])) / 1000  # the last run of a file counts
    for name, seconds in sorted(took.items(), key=lambda item: -item[1])[:10]:
        print(f"{seconds:7.1f} s  {name}")
    print(f"{sum(took.values()):7.1f} s  altogether, {len(took)} files (files taken from ccache count as what they took)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
