"""Who is measured: how each gateway is started in front of the mock. Versions are pinned in peers.py."""
import dataclasses
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench/.peers"
MODEL = "bench-model"
KEY = "bench-key-0123456789"


@dataclasses.dataclass
class Contestant:
    name: str
    what: str                                      # one line for the table
    program: pathlib.Path | None                   # must exist, else it is skipped and said so
    command: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)
    headers: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)   # written into its folder before the start
    slow: bool = False                             # below some thousand requests a second: lighter loads
    port: int = 0
    model: str = MODEL                             # as its clients name it

    def available(self):
        return self.program is not None and pathlib.Path(self.program).exists()


def atrium(port, mock, folder):
    config = f"""server: {{ listen: "127.0.0.1:{port}", threads: 1 }}
upstreams:
  - {{ name: mock, dialect: openai, url: "http://127.0.0.1:{mock}/v1", models: ["{MODEL}"] }}
limits: {{ requests_per_minute: 100000000, concurrent: 100000 }}
knowledge: {{ sample: false }}
"""
    return Contestant(
        "atrium", "key, limits, usage, metrics, trace and access log on", ROOT / "build/release/bin/atrium",
        [str(ROOT / "build/release/bin/atrium"), "serve", "--config", f"{folder}/atrium.yaml"],
        {"ATRIUM_HOME": f"{folder}/home", "ATRIUM_ADMIN_KEY": KEY}, {"Authorization": f"Bearer {KEY}"},
        {"atrium.yaml": config}, port=port)


def nginx(port, mock, folder):
    config = f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 60000; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 64m; client_body_buffer_size 1m;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream mock {{ server 127.0.0.1:{mock}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=16384;
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return Contestant("nginx", "plain reverse proxy, no function of a gateway: the floor", pathlib.Path(program),
                      [program, "-p", str(folder), "-c", f"{folder}/nginx.conf"], files={"nginx.conf": config}, port=port)


def smg(port, mock, folder):
    return Contestant(
        "smg", "Rust", PEERS / "smg/bin/smg",
        [str(PEERS / "smg/bin/smg"), "launch", "--backend", "openai", "--worker-urls", f"http://127.0.0.1:{mock}",
         "--host", "127.0.0.1", "--port", str(port), "--log-level", "warn", "--prometheus-port", str(port + 1000),
         "--max-concurrent-requests", "20000"],
        {"OPENAI_API_KEY": "x"}, {"Authorization": "Bearer x"}, port=port)


def vllm_router(port, mock, folder):
    return Contestant(
        "vllm-router", "Rust", PEERS / "vllm-router/bin/vllm-router",
        [str(PEERS / "vllm-router/bin/vllm-router"), "--worker-urls", f"http://127.0.0.1:{mock}", "--host", "127.0.0.1",
         "--port", str(port), "--policy", "round_robin", "--log-level", "warning", "--prometheus-port", str(port + 1000),
         "--max-concurrent-requests", "20000"], port=port)


def ferrogw(port, mock, folder):
    config = "strategy:\n  mode: fallback\ntargets:\n  - virtual_key: openai\n"
    return Contestant(
        "ferrogw", "Go", PEERS / "ferrogw/bin/ferrogw", [str(PEERS / "ferrogw/bin/ferrogw"), "serve"],
        {"GATEWAY_CONFIG": f"{folder}/config.yaml", "OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"http://127.0.0.1:{mock}",
         "PORT": str(port), "MASTER_KEY": "fgw_bench", "RATE_LIMIT_RPS": "1000000000", "RATE_LIMIT_BURST": "1000000000", "LOG_LEVEL": "error"},
        {"Authorization": "Bearer fgw_bench"}, {"config.yaml": config}, port=port, model="gpt-4o-mini")


def portkey(port, mock, folder):
    node = ROOT / "third_party/.cache/node/bin/node"
    start = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    return Contestant(
        "Portkey", "Node", start, [str(node if node.exists() else "node"), str(start), f"--port={port}", "--headless"],
        {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
        {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{mock}/v1", "Authorization": "Bearer x"},
        slow=True, port=port)


def litellm(port, mock, folder):
    config = f"""model_list:
  - model_name: {MODEL}
    litellm_params: {{ model: openai/{MODEL}, api_base: "http://127.0.0.1:{mock}/v1", api_key: x }}
general_settings: {{ master_key: sk-bench }}
litellm_settings: {{ telemetry: false }}
"""
    program = PEERS / "litellm/bin/litellm"
    return Contestant("LiteLLM", "Python", program,
                      [str(program), "--config", f"{folder}/config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"],
                      {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"},
                      {"Authorization": "Bearer sk-bench"}, {"config.yaml": config}, slow=True, port=port)


ALL = {"nginx": nginx, "atrium": atrium, "vllm-router": vllm_router, "smg": smg, "ferrogw": ferrogw, "Portkey": portkey,
       "LiteLLM": litellm}


def make(names, mock, folder, first_port):
    """(contestants in the order of the rounds, names that are not installed)."""
    found, missing = [], []
    for i, name in enumerate(names):
        own = pathlib.Path(folder) / name
        own.mkdir(parents=True, exist_ok=True)
        contestant = ALL[name](first_port + i, mock, own)
        contestant.folder = own
        if not contestant.available():
            missing.append(name)
            continue
        for file, text in contestant.files.items():
            (own / file).write_text(text)
        contestant.environment = {**os.environ, **contestant.environment}
        found.append(contestant)
    return found, missing
