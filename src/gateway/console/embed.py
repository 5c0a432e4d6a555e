#!/usr/bin/env python3
"""embed.py DIST OUT: writes OUT/console_assets.cc, which holds every file of the built console in DIST.

The bytes go in with .incbin, so that the compiler never sees them as text. Files are written when their content changed and
not otherwise: a build with the same console compiles nothing. No DIST, or an empty one: a table without entries.
"""
import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
HEAD = """// Written by src/gateway/console/embed.py from console/dist.
#include <array>

#include "gateway/console/internal/site.h"

"""


def write(path: pathlib.Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def embed(symbol: str, blob: pathlib.Path) -> str:
    return (f'asm(".section .rodata,\\"a\\"\\n.balign 16\\n{symbol}:\\n.incbin \\"{blob}\\"\\n{symbol}_end:\\n.byte 0\\n'
            f'.globl {symbol}\\n.globl {symbol}_end\\n.hidden {symbol}\\n.hidden {symbol}_end\\n.previous\\n");\n'
            f'extern "C" const char {symbol}[];\nextern "C" const char {symbol}_end[];\n')


def main() -> None:
    dist, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    blobs = out / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    files = {}
    if (dist / "index.html").exists():
        for path in dist.rglob("*"):
            parts = path.relative_to(dist).parts
            if path.is_file() and not any(part.startswith(".") for part in parts):
                files["/" + "/".join(parts)] = path
    code, rows, kept = "", [], set()
    for name, path in sorted(files.items(), key=lambda item: item[0].encode()):
        data = path.read_bytes()
        tag = hashlib.sha256(data).hexdigest()[:32]
        small = gzip.compress(data, 9, mtime=0)
        symbol = f"atrium_console_{tag}"
        views = []
        for suffix, content in [("", data), ("_gz", small if len(small) < 0.9 * len(data) else b"")]:
            if not content:
                views.append("{}")
                continue
            blob = blobs / (tag + suffix)
            if blob.name not in kept:
                write(blob, content)
                kept.add(blob.name)
                code += embed(symbol + suffix, blob.resolve())
            views.append(f"{{{symbol}{suffix}, static_cast<std::size_t>({symbol}{suffix}_end - {symbol}{suffix})}}")
        kind = TYPES.get(path.suffix, "application/octet-stream")
        rows.append(f'    Asset{{.path = "{name}", .type = "{kind}", .tag = "{tag}", .body = {views[0]}, .gzip = {views[1]}}},\n')
    for blob in blobs.iterdir():
        if blob.name not in kept:
            blob.unlink()
    if rows:
        table = f"    static const std::array<Asset, {len(rows)}> assets{{\n{''.join('    ' + row for row in rows)}    }};\n    return assets;\n"
    else:
        table = "    return {};\n"
    body = HEAD + code + "\nnamespace atrium::gateway {\n\nstd::span<const Asset> embedded_assets() {\n" + table + "}\n\n}  // namespace atrium::gateway\n"
    write(out / "console_assets.cc", body.encode())


if __name__ == "__main__":
    main()
