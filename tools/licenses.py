#!/usr/bin/env python3
"""Lists what Atrium is built from and under which licences: linked libraries, pinned files, console packages.

System libraries come from the finished binary (ldd) and their packages' own copyright files, the rest from the files that
tools/setup and npm put down; nothing here is typed by hand except the names of the pinned artifacts' licence files.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = ROOT / "third_party" / ".cache"
SHORT = re.compile(r"^License:\s*(\S.*)$", re.MULTILINE)


def package_of(library: str) -> str | None:
    for path in (library, library.replace("/lib/", "/usr/lib/", 1), str(pathlib.Path(library).resolve())):
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None


def debian_licences(package: str) -> str:
    path = pathlib.Path("/usr/share/doc") / package / "copyright"
    if not path.exists():
        return "see the package"
    names = sorted({name.strip() for name in SHORT.findall(path.read_text(encoding="utf-8", errors="replace"))})
    return ", ".join(names) if names else f"see {path}"


def linked_packages(binary: pathlib.Path) -> list[str]:
    lines = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout.splitlines()
    paths = [line.split("=>")[1].split()[0] for line in lines if "=> /" in line]
    return sorted({found for path in paths if (found := package_of(path))})


def console_packages() -> list[tuple[str, str]]:
    lock = ROOT / "console" / "package-lock.json"
    if not lock.exists():
        return []
    packages = json.loads(lock.read_text(encoding="utf-8")).get("packages", {})
    return sorted((name.removeprefix("node_modules/") + " " + entry.get("version", ""), str(entry.get("license", "see the package")))
                  for name, entry in packages.items() if name and not entry.get("dev"))


def main() -> int:
    binary = ROOT / "build" / "release" / "bin" / "atrium"
    if not binary.exists():
        print("licenses: build/release/bin/atrium is not built; 'make build' first", file=sys.stderr)
        return 1
    print("Atrium: Apache-2.0 (LICENSE)\n\nLinked system libraries (Debian packages)")
    for package in linked_packages(binary):
        print(f"  {package}: {debian_licences(package)}")
    print("\nPinned in third_party/versions.lock")
    print(f"  llama.cpp and ggml: MIT ({(CACHE / 'llama/src/LICENSE').relative_to(ROOT)})")
    print("  Node.js (build time only): MIT and others (third_party/.cache/node/lib/node_modules/npm/LICENSE and the wheel's own)")
    print("\nSeparate programs, started as child processes when installed\n  poppler-utils (pdftotext): GPL-2 or later")
    packages = console_packages()
    if packages:
        print(f"\nConsole ({len(packages)} packages bundled by Vite)")
        for name, licence in packages:
            print(f"  {name}: {licence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
