#!/usr/bin/env python3
"""Gateways against each other and against nginx, on one upstream, in one run. Method and reading: bench/README.md.

    bench/gateway.py [--quick] [--only nginx,atrium] [--rounds 3] [--keep] [--out DIR]
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "gateway"))
import contestants  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOAD = ROOT / "build/release/bench/atrium_bench_load"
MOCK = ROOT / "build/release/bench/atrium_bench_mock"


class Mock:
    def __init__(self):
        self.process = processes.start([MOCK, "--port", "0"], processes.OUR_CORE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def streams(self, chunks, gap_us):
        self.ask(f"/set?chunks={chunks}&gap_us={gap_us}")


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atrium-bench-"))
        self.mock = Mock()
        self.direct = contestants.Contestant("direct", "the load generator on the mock, nothing between", MOCK, port=self.mock.port)
        self.results = {}
        self.started = []  # every process of a contestant, to be ended whatever happens

    def bodies_of(self, c):
        """Files: a small request (~300 bytes), one of 400 KB, a stream; in the words of that contestant's clients."""
        folder = self.folder / ("bodies-" + c.model)
        if not folder.exists():
            folder.mkdir()
            question = ("Is Santa real? Please answer in two short sentences, and mention where he is said to live, "
                        "and with whom.")
            small = {"model": c.model, "messages": [{"role": "system", "content": "You are a helpful assistant. Answer briefly."},
                                                    {"role": "user", "content": question}],
                     "temperature": 0.7, "max_tokens": 128}
            big = json.loads(json.dumps(small))
            line = "The quick brown fox jumps over the lazy dog, and \"nobody\" minds.\n"
            big["messages"][1]["content"] = line * (400_000 // (len(line) + 3))
            for name, body in (("small", small), ("big", big), ("stream", {**small, "stream": True})):
                (folder / name).write_text(json.dumps(body))
        return folder

    def load(self, c, mode, body, **more):
        headers = self.folder / f"headers-{c.name}"
        headers.write_text("".join(f"{name}: {value}\r\n" for name, value in c.headers.items()))
        command = [LOAD, "--port", c.port, "--mode", mode, "--body", self.bodies_of(c) / body, "--headers", headers]
        for name, value in more.items():
            command += ["--" + name.replace("_", "-"), value]
        return processes.start([str(part) for part in command], processes.OUR_CORE, stdout=subprocess.PIPE, text=True)

    def measure(self, c, mode, body, **more):
        """One run of the load generator: its figures, and the CPU time the contestant needed for it."""
        before = processes.cpu(c.process.pid) if c is not self.direct else 0
        load = self.load(c, mode, body, **more)
        try:
            out, _ = load.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            processes.end(load)
            return {"failed": 1, "done": 0, "events": 0, "first_failure": "the load generator did not end", "cpu": 0, "seconds": 1}
        if c is not self.direct:
            time.sleep(0.2)  # what is settled after the answer belongs to it
        lines = out.strip().splitlines()
        figures = json.loads(lines[-1]) if lines else {"failed": 1, "done": 0, "events": 0, "seconds": 1, "first_failure": "no figures"}
        figures["cpu"] = processes.cpu(c.process.pid) - before if c is not self.direct else 0
        if figures["failed"]:
            print(f"bench:   {c.name} {mode} {body}: {figures['failed']} failed, first: {figures['first_failure'][:300]}", flush=True)
        return figures

    # ---- the life of a contestant ----

    def start(self, c):
        """Starts it and returns the milliseconds until its first 200."""
        log = open(c.folder / "log", "ab")
        body = (self.bodies_of(c) / "small").read_bytes()
        began = time.monotonic()
        c.process = processes.start(c.command, processes.CONTESTANT_CORE, env=c.environment, stdout=log, stderr=log, cwd=c.folder)
        self.started.append(c.process)
        last = "nothing"
        while time.monotonic() - began < 90:
            request = urllib.request.Request(f"http://127.0.0.1:{c.port}/v1/chat/completions", data=body,
                                             headers={"Content-Type": "application/json", **c.headers})
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    answer.read()
                    return (time.monotonic() - began) * 1000
            except urllib.error.HTTPError as error:
                last = f"{error.code} {error.read()[:300]!r}"
            except OSError as error:
                last = str(error)
            if c.process.poll() is not None:
                break
            time.sleep(0.002)
        raise RuntimeError(f"{c.name} never answered: {last}; see {c.folder}/log")

    def add(self, c, name, value):
        self.results.setdefault(c.name, {}).setdefault(name, []).append(value)

    def start_all(self, all_):
        started = []
        for c in all_:
            try:
                for again in range(1 if self.options.quick or c.slow else 3):
                    if again:
                        processes.end(c.process)
                    self.add(c, "start_ms", self.start(c))
            except RuntimeError as error:
                print(f"bench: {error}", flush=True)
                continue
            time.sleep(1.0)
            self.add(c, "rss_idle", processes.memory(c.process.pid))
            print(f"bench: {c.name} answers after {self.results[c.name]['start_ms'][-1]:.0f} ms, "
                  f"{self.results[c.name]['rss_idle'][0] / 1e6:.0f} MB", flush=True)
            processes.send(c.process.pid, signal.SIGSTOP)
            started.append(c)
        return started

    # ---- what is measured ----

    def round(self, c):
        brief = 0.5 if self.options.quick else 1
        seconds = (2 if c.slow else 3) * brief
        self.measure(c, "closed", "small", connections=64, seconds=0.7 if c.slow else 0.3)  # warm
        run = self.measure(c, "closed", "small", connections=64, seconds=seconds)
        self.note(c, "small", run, run["done"])
        big = self.measure(c, "closed", "big", connections=8, seconds=seconds * 0.7)
        self.note(c, "big", big, big["done"])
        rate = 50 if c.name == "LiteLLM" else 200
        paced = self.measure(c, "open", "small", connections=64, seconds=5 * brief, rate=rate)
        for key in ("p50_us", "p99_us"):
            self.add(c, f"paced_{key}", paced[key])
        self.add(c, "paced_rate", rate)
        self.add(c, "failed", paced["failed"])
        streams = 50 if c.slow else 500
        self.mock.streams(50, 20_000)
        relay = self.measure(c, "streams", "stream", connections=streams, seconds=6 * brief)
        self.note(c, "chunk", relay, relay["events"])
        self.add(c, "gap_p99_us", relay["gap_p99_us"])
        self.add(c, "streams", streams)
        if c is not self.direct:
            self.add(c, "rss_after", processes.memory(c.process.pid))

    def note(self, c, what, run, units):
        self.add(c, f"{what}_per_second", units / run["seconds"])
        self.add(c, "failed", run["failed"])
        if c is not self.direct and units:
            self.add(c, f"{what}_cpu_us", run["cpu"] * 1e6 / units)

    def idle(self, c):
        """Streams that hardly ever say something, held open at once."""
        count = 300 if c.slow else (2000 if self.options.quick else 10_000)
        self.mock.streams(0, 5_000_000)
        before = processes.memory(c.process.pid)
        load = self.load(c, "idle", "stream", connections=count, hold=4)
        line = load.stdout.readline().split()
        opened = int(line[1]) if len(line) == 2 else 0
        time.sleep(2)
        if opened:
            self.add(c, "idle_bytes", (processes.memory(c.process.pid) - before) / opened)
        self.add(c, "idle_streams", opened)
        self.add(c, "failed", count - opened)
        load.communicate(timeout=120)
        self.mock.streams(50, 20_000)
        time.sleep(1.5)

    def run(self, all_):
        everybody = [self.direct, *self.start_all(all_)]
        for number in range(self.options.rounds):
            for c in everybody:
                if c is not self.direct:
                    processes.send(c.process.pid, signal.SIGCONT)
                self.round(c)
                if c is not self.direct:
                    if number == self.options.rounds - 1:
                        self.idle(c)
                    processes.send(c.process.pid, signal.SIGSTOP)
                mine = self.results[c.name]
                cpu = f"{mine['small_cpu_us'][-1]:7.1f} us CPU, " if mine.get("small_cpu_us") else ""
                print(f"bench: round {number + 1}: {c.name:12} {cpu}{mine['small_per_second'][-1]:9.0f}/s, load {os.getloadavg()[0]:.1f}",
                      flush=True)

    def close(self):
        for process in [*self.started, self.mock.process]:
            processes.end(process)
        if self.options.keep:
            print(f"bench: logs in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def summarise(results, rounds):
    table = {}
    for name, series in results.items():
        table[name] = {key: {"median": statistics.median(values), "low": min(values), "high": max(values), "all": values}
                       for key, values in series.items()}
        table[name]["failed"] = sum(series.get("failed", [0]))
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about two minutes: nginx, atrium and two others, one short round each")
    parser.add_argument("--only", default="", help="names, comma-separated")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep configuration and logs of the contestants")
    parser.add_argument("--out", default=str(ROOT / "bench/results"))
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    names = options.only.split(",") if options.only else list(contestants.ALL)[: 4 if options.quick else None]

    subprocess.run(["cmake", "--build", str(ROOT / "build/release"), "--target", "atrium_bench_mock", "atrium_bench_load"],
                   check=True, stdout=subprocess.DEVNULL)
    bench = Bench(options)
    load_before = os.getloadavg()
    began = time.time()
    try:
        all_, missing = contestants.make(names, bench.mock.port, bench.folder, 18_100 + os.getpid() % 700)
        for name in missing:
            print(f"bench: {name} is not installed (tools/setup bench), left out", flush=True)
        bench.run(all_)
        described = {c.name: c.what for c in [bench.direct, *all_]}
    finally:
        bench.close()
    document = {
        "benchmark": "gateway", "quick": options.quick, "rounds": options.rounds, "seconds": round(time.time() - began),
        "machine": {"cores": len(processes.CORES), "kernel": platform.release(), "architecture": platform.machine(),
                    "load_average_before": load_before, "load_average_after": os.getloadavg()},
        "left_out": missing, "contestants": described, "results": summarise(bench.results, options.rounds),
    }
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "gateway.json").write_text(json.dumps(document, indent=1) + "\n")
    (out / "gateway.md").write_text(report.markdown(document))
    (out / "gateway.svg").write_text(report.chart(document))
    print((out / "gateway.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
