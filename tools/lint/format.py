#!/usr/bin/env python3
"""Checks (or with --write, rewrites) every C++ source with clang-format 19 and the pinned .clang-format."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "bench", "examples")


def sources() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *FOLDERS],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if name.endswith((".h", ".cc")) and (ROOT / name).exists()]


def main() -> int:
    write = "--write" in sys.argv[1:]
    command = ["clang-format-19", "--style=file", *(["-i"] if write else ["--dry-run", "-Werror"])]
    files = sources()
    batches = [files[i:i + 16] for i in range(0, len(files), 16)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        results = list(pool.map(lambda batch: subprocess.run([*command, *batch], cwd=ROOT, capture_output=True, text=True), batches))
    failed = [done.stderr for done in results if done.returncode != 0]
    if failed:
        print("".join(failed) + "format: 'make format' repairs this")
        return 1
    print(f"format: {len(files)} files {'written' if write else 'are in the house format'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
