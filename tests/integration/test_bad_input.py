"""Bad input gets a 4xx that names the cause; never a 500, a hang, or something half-written."""
import io
import json
import socket
import zipfile

import pytest

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hi"}]


def error_of(text):
    error = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    return error


@pytest.mark.parametrize("path, body, param", [
    (CHAT, {}, "model"),
    (CHAT, {"model": 3, "messages": HELLO}, "model"),
    (CHAT, {"model": "gemma-3-270m"}, "messages"),
    (CHAT, {"model": "gemma-3-270m", "messages": []}, "messages"),
    (CHAT, {"model": "gemma-3-270m", "messages": "hi"}, "messages"),
    (CHAT, {"model": "gemma-3-270m", "messages": [{"role": "user"}]}, "messages[0].content"),
    (CHAT, {"model": "gemma-3-270m", "messages": [{"role": "emperor", "content": "x"}]}, "messages[0].role"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "temperature": 5}, "temperature"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "temperature": "hot"}, "temperature"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "max_tokens": -1}, "max_tokens"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "max_tokens": 1.5}, "max_tokens"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "n": 10**12}, "n"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "stream": "yes"}, "stream"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "stop": ["a"] * 9}, "stop"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "top_logprobs": 3}, "top_logprobs"),
    (CHAT, {"model": "gemma-3-270m", "messages": HELLO, "response_format": {"type": "poem"}}, "response_format.type"),
    ("/v1/embeddings", {"model": "multilingual-e5-small"}, "input"),
    ("/v1/embeddings", {"model": "multilingual-e5-small", "input": []}, "input"),
    ("/v1/embeddings", {"model": "multilingual-e5-small", "input": [""]}, None),
    ("/v1/embeddings", {"model": "multilingual-e5-small", "input": {"a": 1}}, "input"),
    ("/v1/embeddings", {"model": "multilingual-e5-small", "input": "x", "encoding_format": "morse"}, "encoding_format"),
    ("/v1/vector_stores", {"name": 3}, "name"),
    ("/v1/vector_stores", {"metadata": {"k": 1}}, None),
])
def test_wrong_fields_are_named(server, path, body, param):
    status, text, _ = server.request("POST", path, body)
    assert status == 400, text
    error = error_of(text)
    assert error["type"] == "invalid_request_error"
    if param:
        assert error["param"] == param, error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"a":1} x', b'{"model":"\xff\xfe"}', b"[" * 100_000, b"\0"])
def test_bodies_that_are_no_json_object(server, body):
    status, text, _ = server.request("POST", CHAT, body)
    assert status == 400, text
    error_of(text)


def test_large_bodies_are_refused_before_they_are_read(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall((f"POST {CHAT} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.key}\r\n"
                            "Content-Type: application/json\r\nContent-Length: 104857600\r\n\r\n").encode())
        head = connection.recv(65536)
    assert b" 413 " in head.split(b"\r\n")[0], head


def test_keys(server):
    for key in ["wrong", "sk-atrium-short", "' OR '1'='1"]:
        status, text, _ = server.request("GET", "/v1/models", key=key)
        assert status == 401 and error_of(text)["code"] == "invalid_api_key"
    import urllib.error
    import urllib.request
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(server.url + "/v1/models", timeout=10)
    assert caught.value.code == 401


def test_unknown_things_are_404(server):
    for method, path in [("GET", "/v1/nothing"), ("GET", "/v1/models/none"), ("GET", "/v1/files/file-000000000000"),
                         ("GET", "/v1/vector_stores/vs_000000000000"), ("GET", "/v1/files/..%2f..%2fetc%2fpasswd"),
                         ("GET", "/atrium/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736")]:
        status, text, _ = server.request(method, path)
        assert status in (400, 404), (path, text)
        error_of(text)
    status, text, headers = server.request("DELETE", "/v1/models")
    assert status == 405 and "GET" in headers["Allow"]


def failed_file(server, store, name, content):
    file = server.upload(name, content)
    status, text, _ = server.request("POST", f"/v1/vector_stores/{store}/files", {"file_id": file["id"]})
    assert status == 200, text
    server.wait_indexed(store)
    return server.json("GET", f"/v1/vector_stores/{store}/files/{file['id']}")


def bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as member:
            for _ in range(1200):
                member.write(b"<w:p>" + b"a" * (1 << 20))
    return out.getvalue()


ENCRYPTED = (b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
             b"3 0 obj<</Filter/Standard/V 1/R 2/O(" + b"x" * 32 + b")/U(" + b"y" * 32 + b")/P -4>>endobj\n"
             b"trailer<</Root 1 0 R/Encrypt 3 0 R/ID[(a)(a)]>>\n%%EOF")


def test_documents_that_cannot_be_read_fail_alone(server, store):
    good = server.upload("good.txt", b"The canteen opens at eleven.")
    server.json("POST", f"/v1/vector_stores/{store}/files", {"file_id": good["id"]})
    for name, content, word in [("bomb.docx", bomb(), "bomb"), ("secret.pdf", ENCRYPTED, "encrypt"),
                                ("broken.pdf", b"%PDF-1.7\n" + b"\x00garbage" * 50, "PDF"), ("image.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "support")]:
        failed = failed_file(server, store, name, content)
        assert failed["status"] == "failed", (name, failed)
        assert failed["last_error"]["code"] in {"invalid_file", "unsupported_file"}, failed
        assert word.lower() in failed["last_error"]["message"].lower(), failed
    assert server.json("GET", f"/v1/vector_stores/{store}")["file_counts"]["completed"] == 1
    assert server.status("/readyz") == 200


def test_empty_files_are_refused(server):
    boundary = "b"
    body = (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="e.txt"\r\n\r\n\r\n--b--\r\n')
    status, text, _ = server.request("POST", "/v1/files", body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert status == 400 and "empty" in error_of(text)["message"]


def test_another_projects_objects_do_not_exist(server, store, other_key):
    file = server.upload("mine.txt", b"Only for us.")
    server.json("POST", f"/v1/vector_stores/{store}/files", {"file_id": file["id"]})
    server.wait_indexed(store)
    for method, path, body in [
        ("GET", f"/v1/files/{file['id']}", None), ("GET", f"/v1/files/{file['id']}/content", None), ("DELETE", f"/v1/files/{file['id']}", None),
        ("GET", f"/v1/vector_stores/{store}", None), ("DELETE", f"/v1/vector_stores/{store}", None), ("POST", f"/v1/vector_stores/{store}", {"name": "x"}),
        ("GET", f"/v1/vector_stores/{store}/files", None), ("POST", f"/v1/vector_stores/{store}/files", {"file_id": file["id"]}),
        ("GET", f"/v1/vector_stores/{store}/files/{file['id']}", None), ("DELETE", f"/v1/vector_stores/{store}/files/{file['id']}", None),
        ("GET", f"/v1/vector_stores/{store}/files/{file['id']}/content", None), ("POST", f"/v1/vector_stores/{store}/search", {"query": "us"}),
        ("GET", f"/atrium/v1/knowledge/{store}/files", None), ("GET", f"/atrium/v1/knowledge/{store}/files/{file['id']}/chunks", None),
        ("POST", f"/atrium/v1/knowledge/{store}/search", {"query": "us"}), ("POST", f"/atrium/v1/knowledge/{store}/ask", {"question": "us?"}),
    ]:
        status, text, _ = server.request(method, path, body, key=other_key)
        assert status == 404, (method, path, status, text)
    mine = server.json("POST", "/v1/vector_stores", {"name": "theirs"}, key=other_key)
    status, text, _ = server.request("POST", f"/v1/vector_stores/{mine['id']}/files", {"file_id": file["id"]}, key=other_key)
    assert status == 404, text
    assert file["id"] not in [f["id"] for f in server.json("GET", "/v1/files", key=other_key)["data"]]
    for path in ["/atrium/v1/projects", "/atrium/v1/projects/proj_default/keys"]:
        assert server.request("GET", path, key=other_key)[0] == 403
    assert server.request("GET", f"/v1/files/{file['id']}")[0] == 200
