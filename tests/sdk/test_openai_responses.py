"""Responses and conversations with the official OpenAI SDK for Python, unmodified."""
import time

import openai
import pydantic
import pytest
from scripted_upstream import calls

CHAT = "gemma-3-270m"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                                                              "required": ["city"], "additionalProperties": False}, "strict": True}


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=120)


@pytest.fixture
def scripted_client(scripted):
    return openai.OpenAI(base_url=scripted.url + "/v1", api_key=scripted.key, max_retries=0, timeout=60)


def test_create_retrieve_continue_delete(client):
    first = client.responses.create(model=CHAT, input="Name a colour.", max_output_tokens=16, temperature=0)
    assert first.status in {"completed", "incomplete"} and first.output_text.strip()
    assert first.usage.total_tokens == first.usage.input_tokens + first.usage.output_tokens > 0
    assert client.responses.retrieve(first.id).output_text == first.output_text
    second = client.responses.create(model=CHAT, input="And another?", previous_response_id=first.id, max_output_tokens=8)
    assert second.previous_response_id == first.id and second.usage.input_tokens > first.usage.input_tokens
    assert [item.type for item in client.responses.input_items.list(second.id)] == ["message"]
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_stream(client):
    with client.responses.stream(model=CHAT, input="Name a colour.", max_output_tokens=12) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == sorted(
        {event.sequence_number for event in events if hasattr(event, "sequence_number")})
    assert events[0].type == "response.created" and final.output_text.strip()


def test_parse(client):
    class City(pydantic.BaseModel):
        city: str

    parsed = client.responses.parse(model=CHAT, input="Name a city as JSON.", text_format=City, max_output_tokens=60)
    assert parsed.status == "incomplete" or parsed.output_parsed.city is not None


def test_stateless_with_encrypted_reasoning(scripted_client, upstream):
    upstream.say("42", reasoning_content="Let me think.")
    first = scripted_client.responses.create(model="scripted", input="q", store=False, include=["reasoning.encrypted_content"])
    assert [item.type for item in first.output] == ["reasoning", "message"]
    assert first.output[0].encrypted_content and first.usage.output_tokens_details.reasoning_tokens == 2
    with pytest.raises(openai.NotFoundError):
        scripted_client.responses.retrieve(first.id)
    upstream.say("43")
    scripted_client.responses.create(model="scripted", store=False, include=["reasoning.encrypted_content"],
                                     input=[{"role": "user", "content": "q"}, *[item.model_dump() for item in first.output],
                                            {"role": "user", "content": "more"}])
    assert upstream.requests[-1]["messages"][1]["reasoning_content"] == "Let me think."


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_function_calls(scripted_client, upstream, stream):
    upstream.say("I look.", "tool_calls", tool_calls=calls(("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})))
    ask = dict(model="scripted", input="q", tools=[TOOL])
    if stream:
        with scripted_client.responses.stream(**ask) as events:
            list(events)
            response = events.get_final_response()
    else:
        response = scripted_client.responses.create(**ask)
    made = [item for item in response.output if item.type == "function_call"]
    assert [call.arguments for call in made] == ['{"city": "Paris"}', '{"city": "Rome"}']
    upstream.say("Sunny.")
    answer = scripted_client.responses.create(
        model="scripted", previous_response_id=response.id, tools=[TOOL],
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in made])
    assert answer.output_text == "Sunny."
    assert [turn["role"] for turn in upstream.requests[-1]["messages"]] == ["user", "assistant", "tool", "tool"]


def test_custom_tool(scripted_client, upstream):
    upstream.say(None, "tool_calls", tool_calls=calls(("shell", {"input": "ls -l"})))
    response = scripted_client.responses.create(model="scripted", input="q", tools=[{"type": "custom", "name": "shell"}])
    assert response.output[0].type == "custom_tool_call" and response.output[0].input == "ls -l"


def test_conversation(scripted_client, upstream):
    upstream.say("Hello")
    conversation = scripted_client.conversations.create(metadata={"a": "b"}, items=[{"role": "user", "content": "first"}])
    scripted_client.responses.create(model="scripted", input="second", conversation=conversation.id)
    assert len(list(scripted_client.conversations.items.list(conversation.id))) == 3
    scripted_client.responses.create(model="scripted", input="third", conversation=conversation.id)
    assert [turn["content"] for turn in upstream.requests[-1]["messages"]] == ["first", "second", "Hello", "third"]
    assert scripted_client.conversations.update(conversation.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert scripted_client.conversations.delete(conversation.id).deleted


def test_background_stream_and_resume(scripted_client, upstream):
    upstream.say("one two three")
    stream = scripted_client.responses.create(model="scripted", input="q", background=True, stream=True)
    events = list(stream)
    final = events[-1].response
    assert events[-1].type == "response.completed" and final.output_text.strip() == "one two three"
    again = list(scripted_client.responses.retrieve(final.id, stream=True, starting_after=3))
    assert [event.sequence_number for event in again] == [event.sequence_number for event in events[4:]]


def test_background_and_cancel(scripted_client, upstream):
    upstream.say("done")
    queued = scripted_client.responses.create(model="scripted", input="q", background=True)
    deadline = time.monotonic() + 20
    while (current := scripted_client.responses.retrieve(queued.id)).status in {"queued", "in_progress"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert current.status == "completed" and current.output_text == "done"
    upstream.pause.clear()
    queued = scripted_client.responses.create(model="scripted", input="q", background=True)
    assert scripted_client.responses.cancel(queued.id).status == "cancelled"
    upstream.pause.set()
    assert scripted_client.responses.retrieve(queued.id).status == "cancelled"


def test_background_survives_a_crash(own_server, upstream):
    server = own_server(config=upstream.config("scripted"), models=False).start()
    upstream.say("done")
    upstream.pause.clear()
    try:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=60)
        queued = client.responses.create(model="scripted", input="q", background=True)
        server.kill()
        server.start()
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=60)
        deadline = time.monotonic() + 20
        while (current := client.responses.retrieve(queued.id)).status in {"queued", "in_progress"}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert current.status == "failed" and "stopped" in current.error.message
    finally:
        upstream.pause.set()


def test_input_tokens(client):
    assert client.responses.input_tokens.count(model=CHAT, input="Hello there").input_tokens > 0


def test_isolation(client, server, other_key):
    made = client.responses.create(model=CHAT, input="hi", max_output_tokens=3)
    other = openai.OpenAI(base_url=server.url + "/v1", api_key=other_key, max_retries=0)
    for attempt in (lambda: other.responses.retrieve(made.id), lambda: other.responses.delete(made.id),
                    lambda: other.responses.input_items.list(made.id),
                    lambda: other.responses.create(model=CHAT, input="x", previous_response_id=made.id)):
        with pytest.raises(openai.NotFoundError):
            attempt()


def test_unsupported_tools_are_named(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=CHAT, input="x", tools=[{"type": "web_search"}])
    assert refused.value.param == "tools[0].type"
