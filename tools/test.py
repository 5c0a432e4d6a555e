#!/usr/bin/env python3
"""Runs the tests of a build folder and adds them up.   tools/test.py BUILD [--unit]

First ctest (unit tests counted one by one through GoogleTest's own report, lints as one test each), then tests/run.py
(integration, SDKs, browser), whose last line reads "N passed, N failed[, N skipped]". The last line printed here has the
same form; exit status 0 only when nothing failed and something ran.
"""
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


class Count:
    def __init__(self, passed: int = 0, failed: int = 0, skipped: int = 0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def count_cases(report: pathlib.Path, case_failed_outside: bool) -> Count:
    """Cases of one GoogleTest report. A program that died after its report counts as one more failure."""
    count = Count()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.get("status") == "notrun":
            continue
        if case.find("failure") is not None:
            count.failed += 1
        elif case.get("result") == "skipped" or case.find("skipped") is not None:
            count.skipped += 1
        else:
            count.passed += 1
    if case_failed_outside and count.failed == 0:
        count.failed += 1
    return count


def run_ctest(build: pathlib.Path, unit_only: bool) -> Count:
    reports = build / "test-reports"
    reports.mkdir(parents=True, exist_ok=True)
    for old in reports.glob("*.xml"):
        old.unlink()
    command = ["ctest", "--test-dir", str(build), "--output-on-failure", "--output-junit", str(reports / "ctest.junit"),
               "--parallel", os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 2)), "--no-tests=error",
               "--label-regex", "^unit$" if unit_only else "^(unit|lint)$"]
    environment = dict(os.environ, GTEST_OUTPUT=f"xml:{reports}/", GTEST_COLOR="no")
    code = subprocess.run(command, env=environment, check=False).returncode
    if not (reports / "ctest.junit").exists():
        return Count(failed=1)
    total = Count()
    for case in ElementTree.parse(reports / "ctest.junit").getroot().iter("testcase"):
        name, failed = case.get("name"), case.get("status") == "fail" or case.find("failure") is not None
        report = reports / f"{name}_test.xml"
        if report.exists():
            total.add(count_cases(report, failed))
        else:
            total.add(Count(passed=not failed, failed=int(failed)))
    if code != 0 and total.failed == 0:
        total.failed += 1
    return total


def run_outer() -> Count:
    script = ROOT / "tests" / "run.py"
    if not script.exists():
        return Count()
    python = ROOT / ".venv" / "bin" / "python"
    node = ROOT / "third_party" / ".cache" / "node" / "bin"
    environment = dict(os.environ, PATH=f"{node}:{os.environ['PATH']}", PYTHONUNBUFFERED="1")
    count = None
    with subprocess.Popen([str(python) if python.exists() else sys.executable, str(script)], cwd=ROOT, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            match = SUMMARY.match(line.strip())
            if match:  # ours is the only line of this form in the whole output
                count = Count(*(int(group or 0) for group in match.groups()))
            else:
                print(line, end="", flush=True)
    if count is None:
        print("tests/run.py ended without its summary line")
        return Count(failed=1)
    if process.returncode != 0 and count.failed == 0:
        count.failed += 1
    return count


def main() -> int:
    build, unit_only = pathlib.Path(sys.argv[1]).resolve(), "--unit" in sys.argv[2:]
    started = time.monotonic()
    parts = {"unit": run_ctest(build, True)} if unit_only else {"unit and lint": run_ctest(build, False), "outer": run_outer()}
    total = Count()
    print()
    for name, count in parts.items():
        total.add(count)
        if count.passed + count.failed + count.skipped:
            print(f"{name}: {count}")
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    print(f"tests took {minutes} min {seconds} s")
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
