"""The official Anthropic SDK for Python, unmodified."""
import anthropic
import pytest
from scripted_upstream import calls

CHAT = "gemma-3-270m"
HI = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture(scope="module")
def client(server):
    return anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0, timeout=120)


@pytest.fixture
def scripted_client(scripted):
    return anthropic.Anthropic(base_url=scripted.url, api_key=scripted.key, max_retries=0, timeout=60)


def test_message(client):
    message = client.messages.create(model=CHAT, max_tokens=20, messages=HI)
    assert message.type == "message" and message.role == "assistant" and message.model == CHAT
    assert message.content[0].type == "text" and message.content[0].text.strip()
    assert message.stop_reason in {"end_turn", "max_tokens"}
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0


def test_stream(client):
    with client.messages.stream(model=CHAT, max_tokens=20, system="Be brief.", messages=HI) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.strip() and final.content[0].text == text
    assert final.usage.output_tokens > 0 and final.usage.input_tokens > 0


def test_bearer(server):
    client = anthropic.Anthropic(base_url=server.url, auth_token=server.key, api_key=None, max_retries=0)
    assert client.messages.create(model=CHAT, max_tokens=3, messages=HI).content


def test_count_tokens(client):
    short = client.messages.count_tokens(model=CHAT, messages=HI).input_tokens
    wordy = [{"role": "user", "content": "word " * 300}]
    long = client.messages.count_tokens(model=CHAT, messages=wordy).input_tokens
    assert 0 < short < long


def test_models(client):
    models = list(client.models.list())
    assert CHAT in {model.id for model in models}
    assert client.models.retrieve(CHAT).type == "model"


def test_errors(client, server):
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="no-such-model", max_tokens=5, messages=HI)
    assert missing.value.body["error"]["type"] == "not_found_error" and missing.value.request_id
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=server.url, api_key="wrong", max_retries=0).messages.create(
            model=CHAT, max_tokens=5, messages=HI)
    with pytest.raises(anthropic.BadRequestError) as wrong:
        client.messages.create(model=CHAT, max_tokens=0, messages=HI)
    assert "max_tokens" in wrong.value.message


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_and_parallel_tools(scripted_client, upstream, stream):
    upstream.say("I look.", "tool_calls", reasoning_content="Let me think.",
                 tool_calls=calls(("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})))
    ask = dict(model="scripted", max_tokens=50, messages=HI, tools=[WEATHER], tool_choice={"type": "any"})
    if stream:
        with scripted_client.messages.stream(**ask) as events:
            message = events.get_final_message()
    else:
        message = scripted_client.messages.create(**ask)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.content[2].input == {"city": "Paris"} and message.content[3].input == {"city": "Rome"}
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens == 15 and message.usage.cache_read_input_tokens == 5
    sent = upstream.requests[-1]
    assert sent["tool_choice"] == "required" and sent["max_completion_tokens"] == 50

    upstream.say("Sunny.")
    answer = scripted_client.messages.create(
        model="scripted", max_tokens=50, tools=[WEATHER],
        messages=HI + [{"role": "assistant", "content": message.content},
                       {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "sun"}
                                                    for block in message.content if block.type == "tool_use"]}])
    assert answer.content[0].text == "Sunny."
    roles = [turn["role"] for turn in upstream.requests[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]


def test_image_and_document(scripted_client, upstream):
    upstream.say("Seen.")
    scripted_client.messages.create(model="scripted", max_tokens=5, messages=[{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "body"}}]}])
    assert upstream.requests[-1]["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}, {"type": "text", "text": "T\n\nbody"}]
