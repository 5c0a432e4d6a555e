"""The official Ollama client for Python, unmodified."""
import ollama
import pytest
from scripted_upstream import calls

CHAT = "gemma-3-270m"
EMBEDDING = "multilingual-e5-small"
HI = [{"role": "user", "content": "Name a colour."}]


@pytest.fixture(scope="module")
def client(server):
    return ollama.Client(host=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=120)


def test_chat_and_stream(client):
    answer = client.chat(model=CHAT, messages=HI, options={"num_predict": 8, "temperature": 0})
    assert answer.message.content.strip() and answer.done and answer.eval_count > 0
    parts = list(client.chat(model=CHAT, messages=HI, stream=True, options={"num_predict": 8, "temperature": 0}))
    assert "".join(part.message.content for part in parts) == answer.message.content
    assert parts[-1].done and parts[-1].prompt_eval_count > 0


def test_generate(client):
    assert client.generate(model=CHAT + ":latest", prompt="Name a colour.", options={"num_predict": 8}).response.strip()
    assert list(client.generate(model=CHAT, prompt="Name a colour.", stream=True, options={"num_predict": 8}))[-1].done


def test_embed(client):
    assert len(client.embed(model=EMBEDDING, input=["a", "b"]).embeddings) == 2
    assert client.embeddings(model=EMBEDDING, prompt="a").embedding


def test_models(client):
    assert CHAT in {model.model for model in client.list().models}
    assert CHAT in {model.model for model in client.ps().models}
    assert "completion" in client.show(CHAT).capabilities
    for attempt in (lambda: client.show("none"), lambda: client.chat(model="none", messages=HI), lambda: client.pull("none")):
        with pytest.raises(ollama.ResponseError) as refused:
            attempt()
        assert refused.value.error and refused.value.status_code in {404, 501}


def test_tools(scripted, upstream):
    client = ollama.Client(host=scripted.url, headers={"Authorization": f"Bearer {scripted.key}"}, timeout=60)
    upstream.say("I look.", "tool_calls", reasoning_content="Hm.", tool_calls=calls(("weather", {"city": "Paris"})))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    answer = client.chat(model="scripted", messages=HI, tools=[tool], think=True)
    assert answer.message.thinking == "Hm." and answer.message.tool_calls[0].function.arguments == {"city": "Paris"}
    upstream.say("Sunny.")
    client.chat(model="scripted", messages=[*HI, answer.message, {"role": "tool", "content": "sun", "tool_name": "weather"}])
    sent = upstream.requests[-1]["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
