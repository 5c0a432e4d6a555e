#!/usr/bin/env python3
"""Compiles every header of src/ on its own, through ccache, so that an unchanged header costs milliseconds."""
import concurrent.futures
import json
import os
import pathlib
import shutil
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
        elif word not in {"-MD", "-Winvalid-pch", "-O2", "-g", "-g1"} and not word.endswith((".cc", ".o")):
            keep.append(word.replace('\\"', '"'))
    return ([ccache] if (ccache := shutil.which("ccache")) else []) + keep


def compile_alone(command: list[str], header: pathlib.Path, folder: pathlib.Path) -> str:
    """What the compiler says about a source file that includes nothing but this header."""
    name = str(header.relative_to(ROOT / "src"))
    source = folder / (name.replace("/", "__") + ".cc")
    text = f'#include "{name}"\n'
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    done = subprocess.run([*command, "-c", str(source), "-o", str(source.with_suffix(".o"))], capture_output=True, text=True, cwd=folder)
    return "" if done.returncode == 0 else done.stderr


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    command = base_command(build)
    headers = [h for h in sorted((ROOT / "src").rglob("*.h"))
               if not any(str(h.relative_to(ROOT)).startswith(skip) for skip in SKIP)]
    folder = build / "headers"
    folder.mkdir(exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for header, problem in zip(headers, pool.map(lambda h: compile_alone(command, h, folder), headers)):
            if problem:
                failed += 1
                print(f"{header.relative_to(ROOT)} does not compile alone:\n{problem}")
    if failed:
        return 1
    print(f"headers: {len(headers)} compile alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
