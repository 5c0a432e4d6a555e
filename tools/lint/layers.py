#!/usr/bin/env python3
"""Checks who includes whom against the table of ARCHITECTURE.md. Prints each breach as file:line and exits 1."""
import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"

# folder -> folders it may include beside itself
LOW = {"base"}
MECHANISMS = LOW | {"observability", "config", "security"}
MAY = {
    "base": set(),
    "observability": LOW,
    "security": LOW | {"observability"},
    "config": LOW | {"observability"},
    "platform": MECHANISMS,
    "data": MECHANISMS | {"platform"},
    "model": MECHANISMS | {"platform"},
    "app": MECHANISMS | {"platform", "data", "model"},
    "gateway": MECHANISMS | {"platform", "app"},
    "main": MECHANISMS | {"platform", "data", "model", "app", "gateway"},
}
# Third-party headers that only one room may know.
ONLY = {
    re.compile(r"^(llama|ggml|gguf|common/|chat\.h|sampling\.h)"): "model/engine/llama",
    re.compile(r"^soci/"): "platform/sql",
    re.compile(r"^hiredis/"): "platform/redis",
    re.compile(r"^boost/beast"): "platform/http",
    re.compile(r"^prometheus/"): "observability/metrics",
    re.compile(r"^spdlog/"): "observability/log",
    re.compile(r"^yaml-cpp/"): "config",
    re.compile(r"^unicode/"): "data",
    re.compile(r"^openssl/"): ("security/crypto", "platform"),
    re.compile(r"^boost/asio"): "platform",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check(path: pathlib.Path) -> list[str]:
    relative = path.relative_to(SRC)
    room = relative.parts[0]
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        where = f"src/{relative}:{number}"
        if quote == '"':
            target = header.split("/")[0]
            if target not in MAY:
                found.append(f"{where}: '{header}' is not a path below src/")
            elif target != room and target not in MAY[room]:
                found.append(f"{where}: {room}/ may not include {target}/ ({header})")
            owner = "/".join(header.split("/")[: header.split("/").index("internal")]) if "internal" in header.split("/") else None
            if owner and not str(relative).startswith(owner + "/"):
                found.append(f"{where}: '{header}' is private to {owner}/")
            continue
        for pattern, owners in ONLY.items():
            owners = (owners,) if isinstance(owners, str) else owners
            if pattern.match(header) and not any(str(relative).startswith(owner) for owner in owners):
                found.append(f"{where}: <{header}> may only be included in {' or '.join(owners)}")
    return found


def main() -> int:
    breaches = []
    files = sorted(p for p in SRC.rglob("*") if p.suffix in {".h", ".cc"})
    for path in files:
        breaches += check(path)
    print("\n".join(breaches) if breaches else f"layers: {len(files)} files keep to the house rules")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
