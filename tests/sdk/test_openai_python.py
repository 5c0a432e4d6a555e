"""The official OpenAI SDK for Python, unmodified, against the real small models."""
import base64
import io
import struct

import openai
import pytest

CHAT = "gemma-3-270m"
EMBEDDING = "multilingual-e5-small"


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=120)


def test_models(client):
    ids = [model.id for model in client.models.list()]
    assert {CHAT, EMBEDDING} <= set(ids)
    assert client.models.retrieve(CHAT).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_chat(client):
    answer = client.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "What is the capital of France?"}], max_tokens=20, temperature=0)
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_chat_stream_with_usage(client):
    chunks = list(client.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "Name a colour."}], max_tokens=12, temperature=0,
        stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.strip()
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1 and {c.model for c in chunks} == {CHAT}


def test_chat_json_schema(client):
    import json
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "population": {"type": "integer"}},
              "required": ["city", "population"], "additionalProperties": False}
    answer = client.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "Give me a city and its population."}], max_tokens=100, temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}})
    parsed = json.loads(answer.choices[0].message.content)
    assert isinstance(parsed["city"], str) and isinstance(parsed["population"], int)


def test_chat_logprobs_stop_and_seed(client):
    ask = dict(model=CHAT, messages=[{"role": "user", "content": "Count: one, two, three,"}], max_tokens=16)
    answer = client.chat.completions.create(**ask, temperature=0, logprobs=True, top_logprobs=2)
    content = answer.choices[0].logprobs.content
    assert content and all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in content)
    first = client.chat.completions.create(**ask, temperature=1, seed=7).choices[0].message.content
    assert first == client.chat.completions.create(**ask, temperature=1, seed=7).choices[0].message.content
    whole = client.completions.create(model=CHAT, prompt="1 2 3 4 5 6", max_tokens=16, temperature=0).choices[0].text
    stop = whole.strip()[2:4]
    cut = client.completions.create(model=CHAT, prompt="1 2 3 4 5 6", max_tokens=16, temperature=0, stop=[stop]).choices[0]
    assert stop not in cut.text and cut.finish_reason == "stop"


def test_completions(client):
    answer = client.completions.create(model=CHAT, prompt="The opposite of hot is", max_tokens=4, temperature=0)
    assert answer.object == "text_completion" and "cold" in answer.choices[0].text
    pieces = [c.choices[0].text for c in client.completions.create(
        model=CHAT, prompt="The opposite of hot is", max_tokens=4, temperature=0, stream=True) if c.choices]
    assert "".join(pieces) == answer.choices[0].text


def test_embeddings(client):
    floats = client.embeddings.create(model=EMBEDDING, input=["a cat", "一只猫", "tax law"], encoding_format="float")
    vectors = [item.embedding for item in floats.data]
    assert [len(v) for v in vectors] == [384] * 3 and floats.usage.prompt_tokens > 0
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    assert abs(dot(vectors[0], vectors[0]) - 1) < 1e-3
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2])
    raw = client.embeddings.with_raw_response.create(model=EMBEDDING, input="a cat", encoding_format="base64")
    import json
    encoded = json.loads(raw.text)["data"][0]["embedding"]
    decoded = struct.unpack("<384f", base64.b64decode(encoded))
    assert max(abs(a - b) for a, b in zip(decoded, vectors[0])) < 1e-3
    # what the SDK does by default: asks for base64 and decodes it itself
    assert len(client.embeddings.create(model=EMBEDDING, input="a cat").data[0].embedding) == 384


def test_files(client):
    created = client.files.create(file=("notes 笔记.txt", io.BytesIO("Ada wrote the first program.".encode())), purpose="assistants")
    assert created.object == "file" and created.filename == "notes 笔记.txt" and created.bytes == 28
    assert client.files.retrieve(created.id).id == created.id
    assert client.files.content(created.id).read() == b"Ada wrote the first program."
    assert created.id in [f.id for f in client.files.list()]
    assert client.files.delete(created.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(created.id)


def test_vector_store(client):
    store = client.vector_stores.create(name="sdk", metadata={"team": "tests"})
    uploaded = client.files.create(file=("planets.md", b"# Planets\n\nJupiter is the largest planet.\n\nMercury is the smallest planet."), purpose="assistants")
    attached = client.vector_stores.files.create_and_poll(uploaded.id, vector_store_id=store.id, attributes={"kind": "astronomy"})
    assert attached.status == "completed" and attached.last_error is None
    fetched = client.vector_stores.retrieve(store.id)
    assert fetched.status == "completed" and fetched.file_counts.completed == 1 and fetched.usage_bytes > 0
    hits = client.vector_stores.search(store.id, query="Which planet is the biggest?")
    assert hits.data[0].file_id == uploaded.id and "Jupiter" in hits.data[0].content[0].text
    assert 0 <= hits.data[0].score <= 1
    filtered = client.vector_stores.search(store.id, query="planet", filters={"type": "eq", "key": "kind", "value": "geology"})
    assert filtered.data == []
    assert client.vector_stores.update(store.id, name="renamed").name == "renamed"
    assert client.vector_stores.files.delete(uploaded.id, vector_store_id=store.id).deleted
    assert client.vector_stores.search(store.id, query="planet").data == []
    assert client.vector_stores.delete(store.id).deleted


def test_vector_store_upload_and_batches(client):
    store = client.vector_stores.create(name="sdk batch")
    one = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("one.txt", b"The first file is about rivers."))
    assert one.status == "completed"
    files = [client.files.create(file=(f"{n}.txt", f"File number {n} is about lakes.".encode()), purpose="assistants").id for n in range(3)]
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=files)
    assert batch.status == "completed" and batch.file_counts.completed == 3
    assert len(client.vector_stores.files.list(store.id).data) == 4
    client.vector_stores.delete(store.id)


def test_errors_are_the_sdks_own(client, server):
    with pytest.raises(openai.AuthenticationError) as caught:
        openai.OpenAI(base_url=server.url + "/v1", api_key="wrong", max_retries=0).models.list()
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": "hi"}], temperature=9)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": "word " * 20000}])
    assert caught.value.code == "context_length_exceeded"
