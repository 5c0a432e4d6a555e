"""Tenants cannot reach each other, whatever the route, the verb or the header: the real binary, every route it lists."""
import json
import re
import socket

import pytest

from harness import Server


@pytest.fixture(scope="module")
def plain():
    """A server without models: nothing here needs one."""
    running = Server(models=False).start()
    yield running
    running.stop()


class Tenant:
    """An organization of its own, with one object of each kind that can be made without a model."""

    def __init__(self, server, name):
        made = server.json("POST", "/atrium/v1/organizations", {"name": name})
        self.admin = made["key"]["secret"]
        self.organization = made["id"]
        project = made["project"]["id"]
        self.user_key = self.make(server, "/atrium/v1/keys", {"name": "user"})["secret"]
        scopes = ["models.read", "inference", "files", "vector_stores", "batches", "usage.read", "admin.read", "admin.write"]
        everything = {"name": "project admin", "scopes": scopes}
        self.project_admin = self.make(server, "/atrium/v1/keys", everything)["secret"]
        file = server.upload("secret.txt", f"The secret of {name}.".encode(), key=self.user_key)["id"]
        store = self.make(server, "/v1/vector_stores", {"name": name})["id"]
        user = self.make(server, "/atrium/v1/users", {"email": f"{name}@example.com"})["id"]
        organization = "/v1/organization"
        own = f"{organization}/projects/{project}"
        self.make(server, f"{own}/users", {"user_id": user, "role": "member"})
        alert = {"currency": "USD", "interval": "month", "threshold_amount": 9,
                 "notification_channel": {"type": "email", "recipients": ["a@example.com"]}}
        account = self.make(server, f"{own}/service_accounts", {"name": "robot"})
        self.ids = {
            "project_id": project, "file_id": file, "vector_store_id": store, "user_id": user,
            "key_id": account["api_key"]["id"], "service_account_id": account["id"],
            "alert_id": self.make(server, f"{own}/spend_alerts", alert)["id"], "rate_limit_id": "rl-none",
            "invite_id": "invite-none", "batch_id": "vsfb_0123456789", "chunk_id": "chunk_0123456789",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        }

    def make(self, server, path, body):
        return server.json("POST", path, body, key=self.admin)


@pytest.fixture(scope="module")
def tenants(plain):
    return Tenant(plain, "alpha"), Tenant(plain, "beta")


def routes_of(server):
    for path, operations in server.json("GET", "/atrium/openapi.json")["paths"].items():
        for verb, operation in operations.items():
            yield verb.upper(), path, operation


BODIES = [{}, {"name": "mine", "role": "owner", "email": "x@example.com", "query": "secret", "question": "secret?"}]


def fill(path, ids):
    return re.sub(r"{(\w+)}", lambda name: ids.get(name.group(1), "id_0123456789abcdef"), path)


@pytest.mark.parametrize("carrier", ["user_key", "project_admin", "admin"])
def test_no_route_reaches_another_tenants_objects(plain, tenants, carrier):
    alpha, beta = tenants
    key = getattr(beta, carrier)
    tried = 0
    for verb, path, operation in routes_of(plain):
        if "{" not in path or path.startswith("/v1/models/"):
            continue
        for body in BODIES if verb in ("POST", "PUT", "PATCH") else [None]:
            status, text, _ = plain.request(verb, fill(path, alpha.ids), body, key=key)
            tried += 1
            where = f"{carrier}: {verb} {path} {body}: {status} {text[:300]}"
            if "invites" in path:
                assert status in (403, 501), where
                continue
            assert status in (400, 404) or (status == 403 and operation.get("x-atrium-access")), where
            assert "alpha" not in text, where
    assert tried > 60
    whole = plain.json("GET", f"/v1/organization/projects/{alpha.ids['project_id']}/users", key=alpha.admin)
    assert [u["id"] for u in whole["data"]] == [alpha.ids["user_id"]], "nothing was changed or removed on the way"
    assert plain.request("GET", f"/v1/files/{alpha.ids['file_id']}/content", key=alpha.user_key)[1] == "The secret of alpha."
    assert plain.request("GET", f"/v1/vector_stores/{alpha.ids['vector_store_id']}", key=alpha.user_key)[0] == 200


def test_lists_show_the_own_tenant_only(plain, tenants):
    alpha, beta = tenants
    foreign = {alpha.organization, *(v for v in alpha.ids.values() if not v.endswith("none") and "0123456789" not in v)}
    for verb, path, operation in routes_of(plain):
        if verb != "GET" or operation.get("security") == [] or path.startswith("/v1/models/"):
            continue
        text = plain.request("GET", fill(path, beta.ids), key=beta.admin)[1]
        seen = [one for one in foreign if one in text and one != alpha.ids["trace_id"]]
        assert not seen, (path, seen)


INJECTIONS = ["' OR '1'='1", "'; DROP TABLE api_keys; --", "\" OR 1=1 --", "1) UNION SELECT hash FROM api_keys --", "%27%20OR%201=1",
              "admin'--", "' AND (SELECT COUNT(*) FROM api_keys) > 0 --", "\\'; SELECT pg_sleep(5); --", "${jndi:ldap://x}", "{{7*7}}",
              ":id", "?", "proj_default' --", "𝓤𝓷𝓲𝓸𝓷", "a" * 2000]


def raw(server, lines):
    """One request with exactly these header lines, as bytes; the status."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = "\r\n".join([lines[0], f"Host: {host}:{port}", *lines[1:], "Connection: close", "", ""])
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize("header", ["Authorization: Bearer {}", "Authorization: {}", "x-api-key: {}", "api-key: {}"])
def test_injections_in_credentials_are_wrong_keys(plain, header):
    for attack in INJECTIONS:
        assert raw(plain, ["GET /v1/models HTTP/1.1", header.format(attack)]) in (400, 401), attack
    assert plain.json("GET", "/atrium/v1/whoami")["admin"] is True


@pytest.mark.parametrize("header", ["OpenAI-Organization", "OpenAI-Project", "x-request-id", "traceparent", "User-Agent", "Accept",
                                    "anthropic-version", "X-Forwarded-For", "Idempotency-Key"])
def test_injections_in_other_headers_change_nothing(plain, header):
    for attack in INJECTIONS:
        assert raw(plain, ["GET /v1/files HTTP/1.1", f"Authorization: Bearer {plain.key}", f"{header}: {attack}"]) in (200, 400), attack


def test_injections_in_parameters_are_bad_or_unknown(plain, tenants):
    import urllib.parse
    names = ["limit", "after", "before", "order", "project_id", "service_account_id", "project", "from", "to", "purpose", "filter",
             "event_types[]", "actor_ids[]", "actor_emails[]", "project_ids[]", "resource_ids[]", "effective_at[gt]", "emails[]",
             "include_archived"]
    before = plain.json("GET", "/atrium/v1/audit/verify")["records"]
    for verb, path, operation in routes_of(plain):
        if verb != "GET" or operation.get("security") == [] or "invites" in path:
            continue
        for attack in INJECTIONS[:5]:
            quoted = urllib.parse.quote(attack, safe="")
            if "{" in path:
                status, text, _ = plain.request("GET", re.sub(r"{\w+}", quoted, path))
                assert status in (400, 404), (path, attack, status, text[:300])
                continue
            for name in names:
                status, text, _ = plain.request("GET", f"{path}?{urllib.parse.quote(name)}={quoted}")
                assert status in (200, 400, 404), (path, name, attack, status, text[:300])
    for attack in INJECTIONS:
        status, text, _ = plain.request("POST", "/atrium/v1/keys", {"name": attack, "scopes": ["files"]})
        assert status in (200, 400), (attack, text)
        for field in ("project_id", "user_id", "service_account_id"):
            status, text, _ = plain.request("POST", "/atrium/v1/keys", {"name": "k", field: attack})
            assert status in (400, 404), (field, attack, text)
    report = plain.json("GET", "/atrium/v1/audit/verify")
    assert report["whole"] and report["records"] >= before


def test_a_key_never_exceeds_its_maker_on_any_route(plain, tenants):
    alpha, _ = tenants
    weak = alpha.make(plain, "/atrium/v1/keys", {"name": "weak", "scopes": ["admin.read", "admin.write", "files"], "models": ["a*"]})
    key, project = weak["secret"], alpha.ids["project_id"]
    strong = alpha.make(plain, "/atrium/v1/keys", {"name": "strong"})["id"]
    for path, body, code in [
        ("/atrium/v1/keys", {"name": "x", "scopes": ["inference"]}, 403), ("/atrium/v1/keys", {"name": "x", "admin": True}, 403),
        ("/atrium/v1/keys", {"name": "x", "models": ["*"]}, 403), ("/atrium/v1/keys", {"name": "x", "models": ["b"]}, 403),
        ("/atrium/v1/keys", {"name": "x", "allowed_routes": ["/*"]}, 400),
        (f"/atrium/v1/keys/{weak['id']}", {"scopes": ["inference", "admin.write"]}, 403), (f"/atrium/v1/keys/{weak['id']}", {"models": None}, 403),
        (f"/atrium/v1/keys/{strong}/rotate", {}, 403), (f"/atrium/v1/keys/{strong}", {"scopes": ["inference"]}, 403),
        (f"/atrium/v1/projects/{project}/keys", {"name": "x", "admin": True}, 403),
        ("/v1/organization/admin_api_keys", {"name": "x"}, 403), ("/v1/organization/projects", {"name": "x"}, 403),
        (f"/v1/organization/projects/{project}/model_permissions", {"mode": "allow_list", "model_ids": ["*"]}, 403),
        (f"/atrium/v1/projects/{project}/policy", {"limits": {"concurrent": 9}}, 403), ("/atrium/v1/organizations", {"name": "x"}, 403),
    ]:
        status, text, _ = plain.request("POST", path, body, key=key)
        assert status == code, (path, body, status, text)
    made = plain.json("POST", f"/v1/organization/projects/{project}/service_accounts", {"name": "robot"}, key=key)
    assert plain.request("GET", "/v1/files", key=made["api_key"]["value"])[0] == 200
    who = plain.json("GET", "/atrium/v1/whoami", key=made["api_key"]["value"])
    assert who["scopes"] == ["files"] and not who["organization_admin"]


def test_every_route_but_a_few_needs_a_key_and_names_its_scope(plain):
    public = {"/healthz", "/readyz", "/metrics", "/atrium/openapi.json"}
    for verb, path, operation in routes_of(plain):
        if operation.get("security") == []:
            assert path in public, path
            continue
        body = None if verb == "GET" else b"{}"
        assert plain.request(verb, fill(path, {}), body, key="wrong")[0] == 401, (verb, path)
        assert operation.get("x-atrium-scope") or operation["tags"] == ["operations"], (verb, path)


def test_each_scope_opens_its_routes_only(plain):
    everyone = {"models.read", "inference", "files", "vector_stores", "batches", "usage.read"}
    for scope in sorted(everyone):
        key = plain.json("POST", "/atrium/v1/keys", {"name": scope, "scopes": [scope]})["secret"]
        for verb, path, operation in routes_of(plain):
            needed = operation.get("x-atrium-scope")
            if not needed or needed == scope or needed not in everyone or verb not in ("GET", "POST"):
                continue
            status, text, _ = plain.request(verb, fill(path, {}), {} if verb == "POST" else None, key=key)
            assert status == 403 and needed in text, (scope, verb, path, text[:200])


def test_the_command_line_verifies_exports_and_rotates(plain, tmp_path):
    import os
    import subprocess
    from harness import BINARY

    def atrium(*arguments):
        environment = {**os.environ, "ATRIUM_URL": plain.url, "ATRIUM_API_KEY": plain.key, "ATRIUM_HOME": str(tmp_path)}
        return subprocess.run([BINARY, *arguments], env=environment, capture_output=True, text=True, timeout=60)

    key = plain.json("POST", "/atrium/v1/keys", {"name": "cli"})
    rotated = atrium("keys", "rotate", key["id"], "--grace", "60")
    assert rotated.returncode == 0, rotated.stderr
    fresh = rotated.stdout.split()[0]
    assert plain.request("GET", "/v1/models", key=fresh)[0] == plain.request("GET", "/v1/models", key=key["secret"])[0] == 200

    report = json.loads(atrium("--json", "audit", "verify").stdout)
    assert report["whole"] and report["records"] > 0
    exported = atrium("audit", "export").stdout
    lines = exported.splitlines()
    assert len(lines) >= report["records"] and key["secret"] not in exported and fresh not in exported
    file = tmp_path / "audit.jsonl"
    file.write_text(exported)
    assert atrium("audit", "verify", "--file", str(file)).returncode == 0
    for damaged in [lines[1:], lines[:1] + lines[2:], [lines[1], lines[0], *lines[2:]], [lines[0].replace("key_", "kex_"), *lines[1:]]]:
        file.write_text("\n".join(damaged))
        assert atrium("audit", "verify", "--file", str(file)).returncode == 1
