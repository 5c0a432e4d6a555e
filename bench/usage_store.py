#!/usr/bin/env python3
"""Fills the usage store of a real server with ten million calls and measures the questions people ask.

    bench/usage_store.py [--calls 10000000]

Ninety days, 20 projects, 200 keys, 8 models, 3 upstreams; SQLite. Prints one line per question: the median and the worst
of five, over HTTP.
"""
import argparse
import pathlib
import sqlite3
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
from harness import Server  # noqa: E402

DAY = 86400
NOW = int(time.time()) // DAY * DAY
FROM = NOW - 90 * DAY
SUMS = "SUM(fresh_input), SUM(cache_read), SUM(cache_write), SUM(output), SUM(reasoning), SUM(cost_micros), SUM(duration_ms)"


def fill(database, organisation, calls):
    db = sqlite3.connect(database)
    db.execute("PRAGMA synchronous=OFF")
    series = []
    for key in range(200):
        for model in range(3):
            for status in (2, 2, 5):
                number = len(series) + 1
                series.append((number, organisation, f"proj_{key % 20}", f"key_{key}", f"user_{key % 50}",
                               "embeddings" if model == 2 else "chat", f"model-{(key + model) % 8}",
                               f"upstream-{(number // 3) % 3}", status, 0))
    db.executemany("INSERT INTO usage_series VALUES (?,?,?,?,?,?,?,?,?,?)", series)
    db.execute(f"""
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {calls - 1})
        INSERT INTO usage_events
        SELECT printf('req_%012d', i), {FROM} * 1000 + i * {90 * DAY * 1000} / {calls}, abs(random()) % {len(series)} + 1,
               abs(random()) % 2000, abs(random()) % 500, 0, abs(random()) % 800, 0, abs(random()) % 9000, 1, 0, 0, 1, 200,
               abs(random()) % 5000 FROM n""")
    db.commit()
    for table, seconds in (("usage_hourly", 3600), ("usage_daily", DAY)):
        db.execute(f"INSERT INTO {table} SELECT at / {seconds * 1000} * {seconds} AS bucket, series_id, COUNT(*), {SUMS} "
                   "FROM usage_events GROUP BY bucket, series_id")
        db.commit()
    rows = {table: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("usage_events", "usage_hourly", "usage_daily")}
    db.close()
    return rows


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=10_000_000)
    options = arguments.parse_args()
    server = Server(models=False)
    server.start(wait_ready=False)
    whoami = server.json("GET", "/atrium/v1/whoami")
    organisation = whoami.get("organization", {}).get("id", "") if isinstance(whoami.get("organization"), dict) else ""
    server.stop(remove=False)
    began = time.monotonic()
    rows = fill(server.home / "atrium.db", organisation, options.calls)
    size = (server.home / "atrium.db").stat().st_size / 1e9
    print(f"filled {rows} in {time.monotonic() - began:.0f} s, {size:.1f} GB")
    server.start(wait_ready=False)
    questions = {
        "costs, 90 days by project": f"/v1/organization/costs?start_time={FROM}&limit=90&group_by=project_id",
        "completions, 31 days by model": f"/v1/organization/usage/completions?start_time={NOW - 31 * DAY}&limit=31&group_by=model",
        "completions, 168 hours of one key": f"/v1/organization/usage/completions?start_time={NOW - 7 * DAY}&bucket_width=1h&limit=168&api_key_ids[]=key_7",
        "completions, 168 hours by key": f"/v1/organization/usage/completions?start_time={NOW - 7 * DAY}&bucket_width=1h&limit=168&group_by=api_key_id",
        "completions, 1440 minutes by model": f"/v1/organization/usage/completions?start_time={NOW - DAY}&bucket_width=1m&limit=1440&group_by=model",
        "total of 90 ragged days by key": f"/atrium/v1/usage?project=*&from={FROM + 1234}&to={NOW - 777}&group_by=api_key_id",
        "failures of 30 days by upstream": f"/atrium/v1/usage?project=*&from={NOW - 30 * DAY}&to={NOW}&status=5&group_by=upstream",
        "the last 100 calls of one key": f"/atrium/v1/usage/calls?project=*&from={FROM}&to={NOW}&api_key_id=key_7&limit=100",
    }
    worst_of_all = 0.0
    for name, path in questions.items():
        times = []
        for _ in range(5):
            began = time.monotonic()
            server.json("GET", path)
            times.append(time.monotonic() - began)
        worst_of_all = max(worst_of_all, max(times))
        print(f"{name:<36} median {statistics.median(times) * 1000:7.0f} ms   worst {max(times) * 1000:7.0f} ms")
    server.stop()
    print(f"worst of all: {worst_of_all * 1000:.0f} ms")
    return 0 if worst_of_all < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
