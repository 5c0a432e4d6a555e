"""Retrieval quality through the API: paragraphs as documents, questions as queries, on the published question sets."""
import concurrent.futures
import json
import os

import pytest

from harness import DATA

QUESTIONS = int(os.environ.get("ATRIUM_QUALITY_QUESTIONS", "300"))  # per language; 0 is all


def load(name):
    """[(paragraph id, text)], [(question, paragraph id)]"""
    paragraphs, questions = [], []
    for article in json.loads((DATA / name).read_text())["data"]:
        for paragraph in article["paragraphs"]:
            identity = f"p{len(paragraphs):05}"
            paragraphs.append((identity, paragraph["context"]))
            questions += [(q["question"], identity) for q in paragraph["qas"]]
    return paragraphs, questions


@pytest.mark.parametrize("name, least", [("squad_dev-v1.1.json", 0.94), ("cmrc2018_dev.json", 0.99)])
def test_recall_at_5(server, store, name, least):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not beside this checkout")
    paragraphs, questions = load(name)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        uploaded = list(pool.map(lambda p: server.upload(p[0] + ".txt", p[1].encode())["id"], paragraphs))
    for start in range(0, len(uploaded), 500):
        server.json("POST", f"/v1/vector_stores/{store}/file_batches", {"file_ids": uploaded[start:start + 500]})
    counts = server.wait_indexed(store, timeout=1800)
    assert counts["completed"] == len(paragraphs), counts
    if QUESTIONS:
        questions = questions[::max(1, len(questions) // QUESTIONS)]

    def found(question):
        hits = server.json("POST", f"/v1/vector_stores/{store}/search", {"query": question[0], "max_num_results": 10})["data"]
        names = [hit["filename"].removesuffix(".txt") for hit in hits]
        return names.index(question[1]) if question[1] in names else 99

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ranks = list(pool.map(found, questions))
    at = lambda k: sum(rank < k for rank in ranks) / len(ranks)
    print(f"\n{name}: {len(questions)} questions, recall@1 {at(1):.3f}  @5 {at(5):.3f}  @10 {at(10):.3f}")
    assert at(5) >= least


def test_answers_cite_what_they_say(server):
    """The sample knowledge base, in both languages: verbatim quotes, and an honest refusal."""
    base = next(b for b in server.json("GET", "/v1/vector_stores?limit=100")["data"] if b["name"].startswith("Atrium guide"))
    server.wait_indexed(base["id"])
    ask = lambda question: server.json("POST", f"/atrium/v1/knowledge/{base['id']}/ask", {"question": question})
    for question in ["How many days of annual leave do employees get?", "员工每年有多少天年假？", "How do I start Atrium?", "怎样启动 Atrium?"]:
        answer = ask(question)
        assert answer["kind"] in {"generated", "evidence"} and answer["citations"], (question, answer)
        for citation in answer["citations"]:
            chunk = server.json("GET", f"/atrium/v1/knowledge/{base['id']}/chunks/{citation['chunk_id']}")
            assert citation["quote"] in chunk["text"], (question, citation)
    for question in ["What is the boiling point of tungsten?", "钨的沸点是多少？"]:
        assert ask(question)["kind"] == "abstained", question
