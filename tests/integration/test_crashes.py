"""kill -9 of engines and of the server: nothing acknowledged is lost, nothing doubled, clients are told."""
import json
import os
import random
import signal
import socket
import threading
import time


def open_stream(server, body):
    """A raw streaming request, so that the exact bytes and their timing are seen."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    data = json.dumps(body).encode()
    connection.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.key}\r\n"
                        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data)
    return connection


LONG = {"model": "gemma-3-270m", "stream": True, "max_tokens": 2000, "temperature": 1, "seed": 1,
        "messages": [{"role": "user", "content": "Tell me a long story about the sea."}], "logit_bias": {"1": -100, "106": -100}}


def test_engine_killed_in_mid_stream(own_server):
    server = own_server().start()
    connection = open_stream(server, LONG)
    received = b""
    while received.count(b"data: ") < 5:
        received += connection.recv(65536)
    killed = time.monotonic()
    for pid in server.engine_pids():
        os.kill(pid, signal.SIGKILL)
    while piece := connection.recv(65536):
        received += piece
        if b'"error"' in received:
            break
    told = time.monotonic() - killed
    assert b'"error"' in received, received[-500:]
    assert told < 1.0, f"{told:.2f} s until the client was told"
    assert b"[DONE]" not in received
    assert server.status("/healthz") == 200
    deadline = time.monotonic() + 60
    while True:  # until the engine is back, every answer is a 503 that says so
        status, text, _ = server.request("POST", "/v1/chat/completions", {"model": "gemma-3-270m", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]})
        if status == 200:
            break
        assert status == 503 and time.monotonic() < deadline, (status, text)
        time.sleep(0.1)


def test_a_client_that_leaves_frees_the_engine(own_server):
    server = own_server().start()
    connections = [open_stream(server, LONG) for _ in range(8)]
    for connection in connections:
        connection.recv(4096)
    for connection in connections:
        connection.close()
    began = time.monotonic()
    server.json("POST", "/v1/chat/completions", {"model": "gemma-3-270m", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]})
    assert time.monotonic() - began < 10, "the eight abandoned answers are still being generated"


def test_server_killed_while_ingesting(own_server):
    server = own_server().start()
    store = server.json("POST", "/v1/vector_stores", {"name": "crash"})["id"]
    files = []
    chooser = random.Random(7)
    for n in range(24):
        words = " ".join(chooser.choice(["river", "mountain", "valley", "forest", "harbour", "meadow"]) for _ in range(400))
        text = f"# Report {n}\n\nThe secret number of report {n} is {n * 37 + 11}.\n\n" + ". ".join(words[i:i + 80] for i in range(0, len(words), 80))
        files.append(server.upload(f"report-{n}.md", text.encode())["id"])
        server.json("POST", f"/v1/vector_stores/{store}/files", {"file_id": files[-1]})
        if n % 6 == 3:
            time.sleep(chooser.random() * 0.8)
            server.kill()
            server.start(wait_ready=False)
    for _ in range(3):
        time.sleep(chooser.random())
        server.kill()
        server.start(wait_ready=False)
    counts = server.wait_indexed(store)
    assert counts["completed"] == 24 and counts["total"] == 24, counts
    listed = server.json("GET", f"/v1/vector_stores/{store}/files?limit=100")["data"]
    assert sorted(f["id"] for f in listed) == sorted(files)
    for n, file in enumerate(files):
        chunks = server.json("GET", f"/atrium/v1/knowledge/{store}/files/{file}/chunks?limit=100")["data"]
        ordinals = [c["ordinal"] for c in chunks]
        assert ordinals == list(range(len(chunks))) and chunks, (n, ordinals)
        assert sum(f"secret number of report {n} is" in c["text"] for c in chunks) == 1
    hits = server.json("POST", f"/v1/vector_stores/{store}/search", {"query": "What is the secret number of report 17?"})["data"]
    assert "report 17 is 640" in hits[0]["content"][0]["text"]


def test_concurrent_requests_all_finish(server):
    answers = []

    def call(n):
        answers.append(server.json("POST", "/v1/chat/completions", {
            "model": "gemma-3-270m", "max_tokens": 12, "temperature": 0, "messages": [{"role": "user", "content": f"Say the number {n}."}]}))

    threads = [threading.Thread(target=call, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(answers) == 12 and all(a["usage"]["completion_tokens"] > 0 for a in answers)
