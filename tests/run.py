#!/usr/bin/env python3
"""Runs everything that needs a running Atrium: integration tests, the official SDKs, the browser. See tests/README.md."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import BINARY, MODELS, ROOT, Server  # noqa: E402

NODE = ROOT / "third_party/.cache/node/bin"


def prepare_models():
    """Installs the default models once per checkout; the test servers share them."""
    environment = {**os.environ, "ATRIUM_HOME": str(MODELS.parent)}
    subprocess.run([BINARY, "pull", "--default"], env=environment, check=True)


def node_environment(server):
    path = f"{NODE}:{os.environ['PATH']}" if NODE.exists() else os.environ["PATH"]
    return {**os.environ, "PATH": path, "ATRIUM_URL": server.url, "ATRIUM_API_KEY": server.key}


def node_tests(name, folder, server):
    """(passed, failed) of one folder of node tests; tools/setup has installed its packages."""
    print(f"\n== {name}", flush=True)
    environment = node_environment(server)
    files = sorted(str(p.relative_to(folder)) for p in folder.glob("*.test.mjs"))
    ran = subprocess.run(["node", "--test", "--test-concurrency=1", *files], cwd=folder, env=environment, capture_output=True, text=True)
    print(ran.stdout[-20000:] if ran.returncode else "\n".join(l for l in ran.stdout.splitlines() if re.match(r"^\s*(✔|✖|ok|not ok)", l)))
    count = lambda word: int((re.findall(rf"^(?:ℹ|#) {word} (\d+)$", ran.stdout, re.M) or ["0"])[-1])
    passed, failed = count("pass"), count("fail")
    return passed, max(failed, 1 if ran.returncode or passed == 0 else 0)


def python_tests(arguments, server):
    print("\n== integration and Python SDK", flush=True)
    environment = {**os.environ, "ATRIUM_URL": server.url, "ATRIUM_API_KEY": server.key}
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "--tb=short", "-p", "no:cacheprovider", str(ROOT / "tests"), *arguments],
                         env=environment, stdout=subprocess.PIPE, text=True)
    print(ran.stdout)
    count = lambda word: int((re.findall(rf"(\d+) {word}", ran.stdout) or ["0"])[-1])
    failed = count("failed") + count("errors?")
    return count("passed"), max(failed, 1 if ran.returncode else 0), count("skipped")


def main():
    arguments = sys.argv[1:]
    prepare_models()
    server = Server(sample=True).start()
    try:
        passed, failed, skipped = python_tests(arguments, server)
        if not arguments:
            for name, folder in [("Node SDK", ROOT / "tests/sdk/node"), ("console in a browser", ROOT / "tests/browser")]:
                if (folder / "package-lock.json").exists():
                    more, wrong = node_tests(name, folder, server)
                    passed, failed = passed + more, failed + wrong
        if failed:
            print(server.tail(60))
    finally:
        server.stop()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
