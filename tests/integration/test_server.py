"""The server as a process: headers, metrics, traces, start, stop, and what it needs from the machine."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from harness import BINARY, ROOT, Server


def test_every_answer_carries_the_standard_headers(server):
    for method, path, body in [("GET", "/v1/models", None), ("GET", "/v1/none", None), ("POST", "/v1/chat/completions", {})]:
        _, _, headers = server.request(method, path, body)
        assert headers["x-request-id"] and headers["request-id"] == headers["x-request-id"]
        assert int(headers["openai-processing-ms"]) >= 0


def test_metrics_pass_promtool(server):
    server.request("POST", "/v1/chat/completions", {"model": "gemma-3-270m", "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]})
    text = server.text("/metrics")
    assert "gen_ai" in text and "atrium_" in text
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed")
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_a_trace_shows_the_call_with_genai_names(server):
    trace = "4bf92f3577b34da6a3ce929d0e0e4799"
    server.request("POST", "/v1/chat/completions", {"model": "gemma-3-270m", "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]},
                   headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    spans = server.json("GET", f"/atrium/v1/traces/{trace}")["spans"]
    call = next(span for span in spans if span["name"] == "chat gemma-3-270m")
    assert call["attributes"]["gen_ai.operation.name"] == "chat"
    assert call["attributes"]["gen_ai.request.model"] == "gemma-3-270m"
    assert call["attributes"]["gen_ai.usage.output_tokens"] >= 1
    assert call["parent_id"] in {span["span_id"] for span in spans}


def test_the_api_description_lists_real_routes(server):
    document = server.json("GET", "/atrium/openapi.json", key="")
    assert document["openapi"].startswith("3.")
    for path in ["/v1/chat/completions", "/v1/vector_stores/{vector_store_id}/search", "/atrium/v1/knowledge/{vector_store_id}/ask"]:
        assert path in document["paths"], sorted(document["paths"])


def test_starts_fast_and_stays_small_without_models(own_server):
    server = own_server(models=False)
    began = time.monotonic()
    server.start(wait_ready=False)
    assert server.status("/healthz") == 200
    took = time.monotonic() - began
    resident = int((pathlib.Path(f"/proc/{server.process.pid}/status").read_text().split("VmRSS:")[1]).split()[0]) // 1024
    print(f"start to first answer {took * 1000:.0f} ms, resident {resident} MB")
    assert resident < 60, f"{resident} MB"
    assert took < 2, f"{took:.2f} s"


def test_port_in_use_is_said(server, own_server):
    second = subprocess.run([BINARY, "serve", "--listen", server.url.removeprefix("http://")], capture_output=True, text=True, timeout=30,
                            env={**os.environ, "ATRIUM_HOME": str(own_server(models=False).home)})
    assert second.returncode == 1
    assert "in use" in second.stderr, second.stderr


def test_unwritable_home_is_said():
    second = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30,
                            env={**os.environ, "ATRIUM_HOME": "/proc/atrium"})
    assert second.returncode == 1
    assert "/proc/atrium" in second.stderr and "ATRIUM_HOME" in second.stderr, second.stderr


def test_second_server_on_the_same_home_is_refused(own_server):
    first = own_server(models=False).start(wait_ready=False)
    second = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30,
                            env={**os.environ, "ATRIUM_HOME": str(first.home)})
    assert second.returncode == 1 and "already" in second.stderr, second.stderr


def test_sigterm_ends_cleanly(own_server):
    server = own_server(models=False).start(wait_ready=False)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(15) == 0, server.tail()


def test_wrong_configuration_names_file_and_line(own_server):
    server = own_server(models=False, config="server:\n  lisen: 127.0.0.1:1\n")
    with pytest.raises(RuntimeError, match="atrium.yaml:2.*did you mean 'server.listen'"):
        server.start(wait_ready=False)


def test_command_line(server):
    environment = {**os.environ, "ATRIUM_URL": server.url, "ATRIUM_API_KEY": server.key, "LANG": "C.UTF-8"}
    run = lambda *words: subprocess.run([BINARY, *words], env=environment, capture_output=True, text=True, timeout=120)
    assert "Paris" in run("chat", "What is the capital of France?", "--max-tokens", "16").stdout
    for base in server.json("GET", "/v1/vector_stores")["data"]:
        server.wait_indexed(base["id"])
    asked = run("ask", "How many days of annual leave do employees get?")
    assert asked.returncode == 0 and "[1]" in asked.stdout, asked.stdout + asked.stderr
    assert json.loads(run("kb", "list", "--json").stdout)
    ingested = run("ingest", "--kb", "from the command line", str(ROOT / "README.md"))
    assert ingested.returncode == 0, ingested.stderr
    assert run("search", "--kb", "from the command line", "one command").returncode == 0
    assert run("kb", "delete", "from the command line").returncode == 0
    assert run("no-such-verb").returncode == 2
    wrong = subprocess.run([BINARY, "kb", "list"], env={**environment, "ATRIUM_API_KEY": "wrong"}, capture_output=True, text=True)
    assert wrong.returncode == 1 and "key" in wrong.stderr.lower()
    nobody = subprocess.run([BINARY, "kb", "list"], env={**environment, "ATRIUM_URL": "http://127.0.0.1:9"}, capture_output=True, text=True)
    assert nobody.returncode == 1 and "cannot reach" in nobody.stderr
    assert "complete" in run("completion", "bash").stdout
