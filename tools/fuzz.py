#!/usr/bin/env python3
"""Builds the fuzz targets of tests/fuzz and runs each for a while.   tools/fuzz.py [--seconds N] [--jobs N]

Corpora grow under build/fuzz/corpus/TARGET, seeded from tests/fuzz/seeds/TARGET when that exists; an input that breaks a
target is kept under build/fuzz/crashes and its path printed.
"""
import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "asan", "-B", str(BUILD), "-DATRIUM_CONSOLE=OFF", "-DATRIUM_FUZZ=ON",
                        "-DATRIUM_TESTS=OFF", "-DATRIUM_SANITIZE=address,undefined,fuzzer-no-link"], cwd=ROOT,
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(BUILD), "--parallel", str(options.jobs), "--target", "fuzz"], check=True)
    targets = sorted(path for path in (BUILD / "fuzz").glob("*_fuzz") if path.is_file())
    if not targets:
        print("fuzz: no targets were built")
        return 1
    failed = 0
    for target in targets:
        corpus, crashes = BUILD / "corpus" / target.name, BUILD / "crashes"
        corpus.mkdir(parents=True, exist_ok=True)
        crashes.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "tests" / "fuzz" / "seeds" / target.name
        command = [str(target), f"-max_total_time={options.seconds}", f"-artifact_prefix={crashes}/{target.name}-",
                   "-print_final_stats=1", "-verbosity=0", "-rss_limit_mb=2048", "-timeout=10", str(corpus)]
        done = subprocess.run(command + ([str(seeds)] if seeds.exists() else []), capture_output=True, text=True, check=False)
        runs = next((line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line), "?")
        print(f"fuzz: {target.name}: {'ok' if done.returncode == 0 else 'FAILED'}, {runs} runs in {options.seconds} s", flush=True)
        if done.returncode != 0:
            failed += 1
            print(done.stderr[-4000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
