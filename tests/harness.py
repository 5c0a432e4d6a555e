"""Starts and stops real Atrium servers for tests: own home folder, free port, shared models."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = pathlib.Path(os.environ.get("ATRIUM_BINARY", ROOT / "build/release/bin/atrium"))
MODELS = ROOT / "third_party/.cache/home/models"
DATA = ROOT.parent / "shared/data"  # question sets, beside the checkout where they are available
ADMIN_KEY = "test-admin-key-of-this-run"


class Server:
    """A running `atrium serve`. Use as a context manager, or call start() and stop()."""

    def __init__(self, config="", environment=None, models=True, sample=False):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="atrium-test-"))
        self.config = config
        self.environment = environment or {}
        self.sample = sample
        self.process = None
        self.url = ""
        self.key = ADMIN_KEY
        if models:
            (self.home / "models").symlink_to(MODELS)

    def start(self, wait_ready=True, timeout=120):
        (self.home / "run").mkdir(exist_ok=True)
        address = self.home / "run/address"
        address.unlink(missing_ok=True)
        if self.config:
            (self.home / "atrium.yaml").write_text(self.config)
        environment = {
            **os.environ, "ATRIUM_HOME": str(self.home), "ATRIUM_ADMIN_KEY": self.key,
            "ATRIUM__KNOWLEDGE__SAMPLE": "true" if self.sample else "false",
            "ATRIUM__LIMITS__REQUESTS_PER_MINUTE": "0", "ATRIUM__LIMITS__CONCURRENT": "0", **self.environment,
        }
        self.log = open(self.home / "server.log", "ab")
        self.process = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0"], env=environment,
                                        stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + timeout
        while not address.exists() or not address.read_text().strip():
            self._check(deadline, "it never listened")
        self.url = address.read_text().strip()
        while wait_ready and self.status("/readyz") != 200:
            self._check(deadline, "it never became ready: " + self.text("/readyz"))
        return self

    def _check(self, deadline, what):
        if self.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what}\n{self.tail()}")
        time.sleep(0.05)

    def tail(self, lines=40):
        return "\n".join((self.home / "server.log").read_text(errors="replace").splitlines()[-lines:])

    def status(self, path):
        return self.request("GET", path)[0]

    def text(self, path):
        return self.request("GET", path)[1]

    def request(self, method, path, body=None, key=None, headers=None, timeout=60):
        """(status, text, headers); never raises for an HTTP status."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", "Bearer " + (self.key if key is None else key))
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.read().decode(errors="replace"), response.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace"), error.headers

    def json(self, method, path, body=None, expect=200, **more):
        status, text, _ = self.request(method, path, body, **more)
        assert status == expect, f"{method} {path}: {status} {text[:500]}"
        return json.loads(text)

    def upload(self, name, content, key=None):
        """Stores a file through /v1/files and returns its object."""
        boundary = "atrium-test-boundary"
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode()
        status, text, _ = self.request("POST", "/v1/files", body, key=key,
                                       headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
        assert status == 200, f"upload of {name}: {status} {text[:300]}"
        return json.loads(text)

    def wait_indexed(self, store, timeout=300):
        """Waits until no file of the vector store is in progress and returns its counts."""
        deadline = time.monotonic() + timeout
        while True:
            counts = self.json("GET", f"/v1/vector_stores/{store}")["file_counts"]
            if counts["in_progress"] == 0:
                return counts
            assert time.monotonic() < deadline, f"still in progress: {counts}"
            time.sleep(0.2)

    def engine_pids(self):
        """Process ids of the engine children."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text()
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(stat.rsplit(")", 1)[1].split()[1]) == self.process.pid and b"engine" in command:
                found.append(int(entry.name))
        return found

    def kill(self):
        """kill -9, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, remove=True):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if remove:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
