"""Answers and stream events against OpenAI's own description of its API (2.3.0), where that file is available."""
import json

import jsonschema
import pytest
from harness import DATA
from scripted_upstream import calls

SPEC = DATA / "openai-openapi-2.3.0.json"
pytestmark = pytest.mark.skipif(not SPEC.exists(), reason="OpenAI's API description is not beside the checkout")
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}


@pytest.fixture(scope="module")
def check():
    spec = json.loads(SPEC.read_text())

    def check(name, value):
        schema = {"$ref": f"#/components/schemas/{name}", "components": spec["components"]}
        validator = jsonschema.Draft202012Validator(schema)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        assert error is None, f"{name}: {error.json_path}: {error.message[:300]}\n{json.dumps(value)[:1500]}"

    return check


def events(server, path, body):
    status, text, _ = server.request("POST", path, {**body, "stream": True})
    assert status == 200, text[:500]
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def without_prose_nulls(chunk):
    """Two nulls that OpenAI's servers send and the specification's prose describes, but its schema does not know: usage
    and finish_reason of every chunk but the last."""
    if chunk.get("usage") is None:
        chunk.pop("usage", None)
    for choice in chunk["choices"]:
        assert "finish_reason" in choice
        choice["finish_reason"] = choice["finish_reason"] or "stop"
    return chunk


def test_models_chat_and_errors(server, check):
    check("ListModelsResponse", server.json("GET", "/v1/models"))
    body = {"model": "gemma-3-270m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
    check("CreateChatCompletionResponse", server.json("POST", "/v1/chat/completions", body))
    for chunk in events(server, "/v1/chat/completions", {**body, "stream_options": {"include_usage": True}}):
        check("CreateChatCompletionStreamResponse", without_prose_nulls(chunk))
    check("ErrorResponse", server.json("POST", "/v1/chat/completions", {"model": 5}, expect=400))
    check("ErrorResponse", server.json("GET", "/v1/nothing", expect=404))


def test_files_and_vector_stores(server, check, store):
    file = server.upload("a.txt", b"Hello there.")
    check("OpenAIFile", file)
    check("ListFilesResponse", server.json("GET", "/v1/files"))
    check("VectorStoreObject", server.json("GET", f"/v1/vector_stores/{store}"))
    check("VectorStoreFileObject", server.json("POST", f"/v1/vector_stores/{store}/files", {"file_id": file["id"]}))
    server.wait_indexed(store)
    check("VectorStoreSearchResultsPage", server.json("POST", f"/v1/vector_stores/{store}/search", {"query": "hello"}))


@pytest.mark.parametrize("kind", ["text", "tools", "incomplete"])
def test_responses(scripted, upstream, check, kind):
    if kind == "tools":
        upstream.say("I look.", "tool_calls", reasoning_content="Hm.", tool_calls=calls(("weather", {}), ("weather", {})))
    else:
        upstream.say("Hello there", "length" if kind == "incomplete" else "stop")
    body = {"model": "scripted", "input": "hi", "tools": [TOOL], "metadata": {"a": "b"}}
    response = scripted.json("POST", "/v1/responses", body)
    check("Response", response)
    check("Response", scripted.json("GET", f"/v1/responses/{response['id']}"))
    check("ResponseItemList", scripted.json("GET", f"/v1/responses/{response['id']}/input_items"))
    told = events(scripted, "/v1/responses", body)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    for event in told:
        check("ResponseStreamEvent", event)


def test_conversations(scripted, check):
    made = scripted.json("POST", "/v1/conversations", {"items": [{"role": "user", "content": "hi"}]})
    check("ConversationResource", made)
    check("ConversationItemList", scripted.json("GET", f"/v1/conversations/{made['id']}/items"))
