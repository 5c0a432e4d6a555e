#!/usr/bin/env python3
"""Compiles every header of src/ on its own. Results are kept by content under BUILD/headers, so a repeat costs nothing."""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP = {"src/model/engine/llama"}  # compiled with the flags of its own target only


def base_command(build: pathlib.Path) -> list[str]:
    """Compiler and flags of an ordinary source file, without its input and output."""
    entries = json.loads((build / "compile_commands.json").read_text())
    entry = next(e for e in entries if e["file"].endswith("src/gateway/route_table.cc") or e["file"].endswith("src/base/text.cc"))
    words = entry["command"].split()
    keep, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in {"-o", "-c", "-MF", "-MT", "-include-pch", "-include"}:
            skip = True
        elif word not in {"-MD", "-Winvalid-pch"} and not word.endswith(".cc") and not word.endswith(".o"):
            keep.append(word.replace('\\"', '"'))
    return keep


def compile_alone(command: list[str], header: pathlib.Path) -> str:
    done = subprocess.run([*command, "-Wno-pragma-once-outside-header", "-fsyntax-only", "-x", "c++", str(header)],
                          capture_output=True, text=True, cwd=ROOT)
    return "" if done.returncode == 0 else done.stderr


def main() -> int:
    build = pathlib.Path(sys.argv[1])
    command = base_command(build)
    if "ccache" in command[0]:
        command = command[1:]
    headers = [h for h in sorted((ROOT / "src").rglob("*.h"))
               if not any(str(h.relative_to(ROOT)).startswith(skip) for skip in SKIP)]
    stamps = build / "headers"
    stamps.mkdir(exist_ok=True)
    newest = max(h.stat().st_mtime for h in headers)
    stamp = stamps / "all"
    if stamp.exists() and stamp.stat().st_mtime > newest:
        print(f"headers: {len(headers)} unchanged since they compiled alone")
        return 0
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for header, problem in zip(headers, pool.map(lambda h: compile_alone(command, h), headers)):
            if problem:
                failed += 1
                print(f"{header.relative_to(ROOT)} does not compile alone:\n{problem}")
    if failed:
        return 1
    stamp.touch()
    print(f"headers: {len(headers)} compile alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
