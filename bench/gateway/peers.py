#!/usr/bin/env python3
"""Installs the other gateways into bench/.peers, pinned. What a registry does not have is skipped and said so."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench/.peers"
# LiteLLM 1.82.7 and 1.82.8 were published by an intruder: never those.
PYTHON = {"litellm": ["litellm[proxy]==1.106.2"], "smg": ["smg==1.13.0"], "vllm-router": ["vllm-router==0.1.17"],
          "ferrogw": ["ferrogw==1.5.10"]}
NODE = {"portkey": "@portkey-ai/gateway@1.15.2"}


def run(command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"bench: {' '.join(map(str, command[-2:]))} failed:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-5:]))
    return done.returncode == 0


def install(folder, stamp, steps):
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == stamp:
        return True
    print(f"bench: installing {stamp} into bench/.peers", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not all(run(command, cwd) for command, cwd in steps):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    ready.write_text(stamp)
    return True


def main():
    node = ROOT / "third_party/.cache/node/bin"
    for name, packages in PYTHON.items():
        folder = PEERS / name
        pip = [str(folder / "bin/pip"), "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"]
        install(folder, " ".join(packages), [([sys.executable, "-m", "venv", str(folder)], None), ([*pip, *packages], None)])
    for name, package in NODE.items():
        folder = PEERS / name
        npm = [str(node / "npm") if (node / "npm").exists() else "npm", "install", "--prefix", str(folder), "--no-fund", "--no-audit",
               "--ignore-scripts", "--loglevel=error", package]
        install(folder, package, [(npm, folder)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
