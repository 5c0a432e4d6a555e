#include "gateway/openai/schemas.h"

namespace atrium::gateway {
namespace {

json::object type(std::string_view name) {
    return {{"type", name}};
}
json::object number(double min, double max) {
    return {{"type", "number"}, {"minimum", min}, {"maximum", max}};
}
json::object integer(std::int64_t min) {
    return {{"type", "integer"}, {"minimum", min}};
}
json::object array_of(json::object items) {
    return {{"type", "array"}, {"items", std::move(items)}};
}
json::object any_of(std::initializer_list<json::object> choices) {
    json::array list;
    for (const auto& choice : choices) list.push_back(choice);
    return {{"anyOf", std::move(list)}};
}
json::object object_with(std::initializer_list<std::string_view> required, json::object properties) {
    json::array names;
    for (const auto name : required) names.emplace_back(name);
    return {{"type", "object"}, {"required", std::move(names)}, {"properties", std::move(properties)}};
}

json::object usage_schema() {
    return object_with(
        {"prompt_tokens", "total_tokens"},
        {{"prompt_tokens", integer(0)}, {"completion_tokens", integer(0)}, {"total_tokens", integer(0)}});
}

void add_sampling(json::object& properties) {
    properties["model"] = type("string");
    properties["temperature"] = number(0, 2);
    properties["top_p"] = number(0, 1);
    properties["frequency_penalty"] = number(-2, 2);
    properties["presence_penalty"] = number(-2, 2);
    properties["seed"] = type("integer");
    properties["n"] = integer(1);
    properties["max_tokens"] = integer(1);
    auto stops = array_of(type("string"));
    stops["maxItems"] = 4;
    properties["stop"] = any_of({type("string"), stops});
    properties["logit_bias"] = type("object");
    properties["stream"] = type("boolean");
    properties["stream_options"] = object_with({}, {{"include_usage", type("boolean")}});
    properties["user"] = type("string");
}

json::object texts() {
    const auto tokens = array_of(integer(0));
    return any_of({type("string"), array_of(type("string")), tokens, array_of(tokens)});
}

}  // namespace

json::object chat_request_schema() {
    auto message = object_with({"role"}, {{"role", type("string")},
                                          {"content", any_of({type("string"), type("null"), array_of(type("object"))})},
                                          {"name", type("string")},
                                          {"tool_call_id", type("string")},
                                          {"tool_calls", array_of(type("object"))}});
    message["properties"].at("role").as_object()["enum"] = {"system",    "developer", "user",
                                                            "assistant", "tool",      "function"};
    auto messages = array_of(std::move(message));
    messages["minItems"] = 1;
    json::object properties;
    add_sampling(properties);
    properties["messages"] = std::move(messages);
    properties["max_completion_tokens"] = integer(1);
    properties["logprobs"] = type("boolean");
    properties["top_logprobs"] = integer(0);
    properties["response_format"] = type("object");
    properties["tools"] = array_of(type("object"));
    properties["tool_choice"] = any_of({type("string"), type("object")});
    properties["parallel_tool_calls"] = type("boolean");
    properties["metadata"] = type("object");
    return object_with({"model", "messages"}, std::move(properties));
}

json::object completion_request_schema() {
    json::object properties;
    add_sampling(properties);
    properties["prompt"] = texts();
    properties["suffix"] = type("string");
    properties["echo"] = type("boolean");
    properties["logprobs"] = integer(0);
    properties["best_of"] = integer(1);
    return object_with({"model", "prompt"}, std::move(properties));
}

json::object embedding_request_schema() {
    json::object format = type("string");
    format["enum"] = {"float", "base64"};
    return object_with({"model", "input"}, {{"model", type("string")},
                                            {"input", texts()},
                                            {"encoding_format", std::move(format)},
                                            {"dimensions", integer(1)},
                                            {"user", type("string")}});
}

json::object completion_response_schema(std::string_view object) {
    return object_with({"id", "object", "created", "model", "choices"}, {{"id", type("string")},
                                                                         {"object", {{"const", object}}},
                                                                         {"created", type("integer")},
                                                                         {"model", type("string")},
                                                                         {"choices", array_of(type("object"))},
                                                                         {"usage", usage_schema()}});
}

json::object embedding_response_schema() {
    const auto vector = any_of({array_of(type("number")), type("string")});
    return object_with(
        {"object", "data", "model", "usage"},
        {{"object", {{"const", "list"}}},
         {"data",
          array_of(object_with({"object", "index", "embedding"},
                               {{"object", {{"const", "embedding"}}}, {"index", integer(0)}, {"embedding", vector}}))},
         {"model", type("string")},
         {"usage", usage_schema()}});
}

}  // namespace atrium::gateway
