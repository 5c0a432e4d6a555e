#!/usr/bin/env python3
"""Retrieval and answers over the HTTP API of a real server with its default models. Writes results/rag.{json,md}."""
import concurrent.futures
import json
import os
import pathlib
import platform
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from harness import DATA, Server  # noqa: E402

FOLDER = pathlib.Path(os.environ.get("ATRIUM_BENCH_DATA", DATA))
QUESTIONS = int(os.environ.get("ATRIUM_BENCH_QUESTIONS", "0"))  # 0: all
ANSWERS = int(os.environ.get("ATRIUM_BENCH_ANSWERS", "150"))
SETS = {"SQuAD dev (en)": "squad_dev-v1.1.json", "CMRC dev (zh)": "cmrc2018_dev.json"}


def load(name):
    paragraphs, questions = [], []
    for article in json.loads((FOLDER / name).read_text())["data"]:
        for paragraph in article["paragraphs"]:
            identity = f"p{len(paragraphs):05}"
            paragraphs.append((identity, paragraph["context"]))
            questions += [(q["question"], identity, [a["text"] for a in q["answers"]]) for q in paragraph["qas"]]
    return paragraphs, questions


def cpu_seconds(server):
    """User and system time of the server and its engines."""
    ticks = 0
    for pid in [server.process.pid, *server.engine_pids()]:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ingest(server, paragraphs):
    store = server.json("POST", "/v1/vector_stores", {"name": "bench"})["id"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda p: server.upload(p[0] + ".txt", p[1].encode())["id"], paragraphs))
    began, cpu = time.monotonic(), cpu_seconds(server)
    for start in range(0, len(files), 500):
        server.json("POST", f"/v1/vector_stores/{store}/file_batches", {"file_ids": files[start:start + 500]})
    counts = server.wait_indexed(store, timeout=3600)
    assert counts["completed"] == len(files), counts
    return store, time.monotonic() - began, cpu_seconds(server) - cpu


def ranks_of(server, store, questions):
    """Rank of the right paragraph per question for the fused search and for each leg alone, and latencies in ms."""
    def one(question):
        began = time.monotonic()
        hits = server.json("POST", f"/atrium/v1/knowledge/{store}/search", {"query": question[0], "limit": 50})["data"]
        took = (time.monotonic() - began) * 1000
        rank = {"hybrid": 999, "dense": 999, "bm25": 999}
        for position, hit in enumerate(hits):
            if hit["filename"] == question[1] + ".txt":
                rank["hybrid"] = min(rank["hybrid"], position)
                for leg, key in (("dense", "dense"), ("bm25", "lexical")):
                    if hit.get(key):
                        rank[leg] = min(rank[leg], hit[key]["rank"] - 1)
        return rank, took

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, questions))
    return [f[0] for f in found], [f[1] for f in found]


def answers_of(server, store, questions):
    """Share of questions whose quoted evidence holds a gold answer, and whose kind is not an abstention."""
    held = answered = 0
    for question, _, gold in questions:
        answer = server.json("POST", f"/atrium/v1/knowledge/{store}/ask", {"question": question})
        quotes = " ".join(c["quote"] for c in answer["citations"])
        answered += answer["kind"] != "abstained"
        held += any(g in quotes for g in gold)
    return held / len(questions), answered / len(questions)


def main():
    rows = []
    with Server() as server:
        for name, file in SETS.items():
            if not (FOLDER / file).exists():
                print(f"bench rag: {file} is not in {FOLDER}; skipped")
                continue
            paragraphs, questions = load(file)
            every = questions[::max(1, len(questions) // QUESTIONS)] if QUESTIONS else questions
            print(f"{name}: {len(paragraphs)} paragraphs, {len(every)} questions", flush=True)
            store, seconds, cpu = ingest(server, paragraphs)
            ranks, latencies = ranks_of(server, store, every)
            held, answered = answers_of(server, store, questions[::max(1, len(questions) // ANSWERS)][:ANSWERS])
            recall = {leg: [sum(r[leg] < k for r in ranks) / len(ranks) for k in (1, 5, 10)] for leg in ("hybrid", "dense", "bm25")}
            rows.append({"set": name, "paragraphs": len(paragraphs), "questions": len(every), "recall": recall,
                         "latency_ms": {"p50": statistics.median(latencies), "p99": percentile(latencies, 0.99)},
                         "ingest_per_second": len(paragraphs) / seconds, "ingest_cpu_ms_each": cpu * 1000 / len(paragraphs),
                         "gold_in_quotes": held, "answered": answered})
            server.request("DELETE", f"/v1/vector_stores/{store}")
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    record = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", "rows": rows}
    (results / "rag.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    lines = ["# Retrieval and answers, default settings and models", "", f"Machine: {record['machine']}. Search latency is HTTP, query embedding included, two clients.", "",
             "| set | search | recall@1 | @5 | @10 |", "|---|---|---|---|---|"]
    for row in rows:
        for leg, label in (("hybrid", "**hybrid (what Atrium does)**"), ("dense", "vectors alone"), ("bm25", "BM25 alone")):
            lines.append(f"| {row['set']} | {label} | " + " | ".join(f"{v:.3f}" for v in row["recall"][leg]) + " |")
    lines += ["", "| set | search p50 / p99 ms | paragraphs/s ingested | CPU ms per paragraph | gold answer in the quotes | answered |", "|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['set']} | {row['latency_ms']['p50']:.0f} / {row['latency_ms']['p99']:.0f} | {row['ingest_per_second']:.1f} | "
                     f"{row['ingest_cpu_ms_each']:.0f} | {row['gold_in_quotes']:.2f} | {row['answered']:.2f} |")
    (results / "rag.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
