#!/usr/bin/env python3
"""Runs clang-tidy 19 over source files.   tools/lint/tidy.py BUILD [--all]

Without --all: files that differ from the main branch (committed or not) and files that include a changed header directly.
A clean result is kept by content under BUILD/tidy (the file, the headers of the tree, the configuration), so a repeat
costs nothing.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files() -> set[str]:
    """Against where this branch left the main branch; on the main branch itself, against the last commit but one."""
    base = next((found[0] for name in ("origin/main", "main") if (found := git("merge-base", "HEAD", name))), "HEAD")
    if base == (git("rev-parse", "HEAD") or [""])[0]:
        base = "HEAD~1" if git("rev-parse", "HEAD~1") else "HEAD"
    return set(git("diff", "--name-only", base)) | set(git("ls-files", "--others", "--exclude-standard"))


def includes(path: pathlib.Path) -> set[str]:
    return {f"src/{name}" for name in INCLUDE.findall(path.read_text(encoding="utf-8"))}


def main() -> int:
    build, everything = pathlib.Path(sys.argv[1]).resolve(), "--all" in sys.argv[2:]
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    files = sorted({entry["file"] for entry in entries
                    if entry["file"].startswith(f"{ROOT}/src/") and pathlib.Path(entry["file"]).exists()})
    if not everything:
        changed = changed_files()
        files = [name for name in files
                 if str(pathlib.Path(name).relative_to(ROOT)) in changed or includes(pathlib.Path(name)) & changed]
    headers = hashlib.sha256()
    for header in sorted((ROOT / "src").rglob("*.h")):
        headers.update(str(header).encode() + header.read_bytes())
    headers.update((ROOT / ".clang-tidy").read_bytes())
    kept = build / "tidy"
    kept.mkdir(exist_ok=True)

    def stamp_of(name: str) -> pathlib.Path:
        return kept / hashlib.sha256(headers.digest() + name.encode() + pathlib.Path(name).read_bytes()).hexdigest()

    todo = [name for name in files if not stamp_of(name).exists()]

    def check(name: str) -> str:
        done = subprocess.run(["clang-tidy-19", "--quiet", "-p", str(build), "--warnings-as-errors=*", name], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            stamp_of(name).touch()
            return ""
        return done.stdout + (done.stderr if not done.stdout else "")

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for number, (name, problem) in enumerate(zip(todo, pool.map(check, todo)), 1):
            if problem:
                failed += 1
                print(problem.strip(), flush=True)
            elif sys.stdout.isatty():
                print(f"\rtidy: {number}/{len(todo)}", end="", flush=True)
    if sys.stdout.isatty() and todo:
        print("\r", end="")
    scope = "all files" if everything else "changed files (ALL=1 for all)"
    if failed:
        print(f"tidy: {failed} of {len(files)} {scope} need attention")
        return 1
    print(f"tidy: {len(files)} {scope} are clean, {len(files) - len(todo)} of them known from before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
