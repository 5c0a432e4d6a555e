#include "app/responses/response_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "app/responses/items.h"

namespace atrium::app {
namespace {

constexpr std::int64_t kMaxTokens = 10'000'000;
constexpr std::size_t kMaxTools = 128;

std::unexpected<Error> refuse(const std::string& field, std::string_view rule) {
    return fail(invalid_argument(fmt::format("'{}' {}", field, rule)).with_field(field));
}

Result<> check_word(const json::Reader& object, std::string_view key, std::initializer_list<std::string_view> words) {
    TRY_ASSIGN(const auto word, object.optional_string(key));
    if (!word || std::ranges::find(words, *word) != words.end()) return {};
    return refuse(object.name(key), fmt::format("must be one of '{}'", fmt::join(words, "', '")));
}

/// Copies a member from the request to the chat body under another name, when it is there.
void forward(const json::Reader& from, std::string_view key, json::object& to, std::string_view as) {
    if (from.has(key)) to[as] = *from.find(key);
}

Result<> read_include(const json::Reader& body, ResponseRequest& request) {
    static constexpr std::array<std::string_view, 8> kKnown{
        "reasoning.encrypted_content",   "message.output_text.logprobs",         "file_search_call.results",
        "web_search_call.results",       "web_search_call.action.sources",       "message.input_image.image_url",
        "code_interpreter_call.outputs", "computer_call_output.output.image_url"};
    TRY_ASSIGN(const auto* include, body.optional_array("include"));
    TRY_ASSIGN(const auto top, body.optional_int("top_logprobs", 0, 20));
    if (include == nullptr) return {};
    for (std::size_t i = 0; i < include->size(); ++i) {
        const auto field = fmt::format("include[{}]", i);
        if (!(*include)[i].is_string()) return refuse(field, "must be a string");
        const std::string_view word = (*include)[i].get_string();
        if (std::ranges::find(kKnown, word) == kKnown.end()) return refuse(field, "is not known");
        if (word == "reasoning.encrypted_content") request.encrypted_reasoning = true;
        if (word == "message.output_text.logprobs") {
            request.settings["logprobs"] = true;
            if (top && *top > 0) request.settings["top_logprobs"] = *top;
        }
    }
    return {};
}

Result<> read_reasoning_and_text(const json::Reader& body, ResponseRequest& request) {
    json::object reasoning{{"effort", nullptr}, {"summary", nullptr}};
    TRY_ASSIGN(const auto* asked, body.optional_object("reasoning"));
    if (asked != nullptr) {
        const json::Reader reader(*asked, "reasoning");
        TRY(check_word(reader, "effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"}));
        TRY(check_word(reader, "summary", {"auto", "concise", "detailed"}));
        forward(reader, "effort", request.settings, "reasoning_effort");
        forward(reader, "effort", reasoning, "effort");
        forward(reader, "summary", reasoning, "summary");
    }
    request.echo["reasoning"] = std::move(reasoning);

    json::object text{{"format", {{"type", "text"}}}};
    TRY_ASSIGN(const auto* wanted, body.optional_object("text"));
    if (wanted != nullptr) {
        const json::Reader reader(*wanted, "text");
        TRY(check_word(reader, "verbosity", {"low", "medium", "high"}));
        forward(reader, "verbosity", request.settings, "verbosity");
        forward(reader, "verbosity", text, "verbosity");
        TRY_ASSIGN(const auto* format, reader.optional_object("format"));
        if (format != nullptr) {
            const json::Reader shape(*format, "text.format");
            TRY_ASSIGN(const auto type, shape.required_string("type"));
            TRY(check_word(shape, "type", {"text", "json_object", "json_schema"}));
            text["format"] = *format;
            if (type == "json_object") request.settings["response_format"] = {{"type", "json_object"}};
            if (type == "json_schema") {
                TRY_ASSIGN(const auto name, shape.required_string("name"));
                TRY_ASSIGN(const auto* schema, shape.required_object("schema"));
                TRY(shape.optional_bool("strict"));
                TRY(shape.optional_string("description"));
                json::object wrapper{{"name", name}, {"schema", *schema}};
                forward(shape, "strict", wrapper, "strict");
                forward(shape, "description", wrapper, "description");
                request.settings["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(wrapper)}};
            }
        }
    }
    request.echo["text"] = std::move(text);
    return {};
}

/// A custom tool takes free text. Chat models of all makes know functions, so it is told to them as one with a single
/// string; its answer is turned back.
json::object custom_as_function(const json::Reader& tool, const std::string& name, const std::string& description) {
    std::string text = description;
    const auto* format = tool.find("format");
    if (format != nullptr && format->is_object() && json::string_or(format->get_object(), "type") == "grammar") {
        text += fmt::format("\n\nThe input must match this {} grammar:\n{}",
                            json::string_or(format->get_object(), "syntax"),
                            json::string_or(format->get_object(), "definition"));
    }
    return {{"name", name},
            {"description", text},
            {"parameters",
             {{"type", "object"},
              {"properties", {{"input", {{"type", "string"}, {"description", "the whole input of the tool"}}}}},
              {"required", {"input"}},
              {"additionalProperties", false}}}};
}

Result<> read_tools(const json::Reader& body, ResponseRequest& request, std::set<std::string>& names) {
    TRY_ASSIGN(const auto* tools, body.optional_array("tools"));
    request.echo["tools"] = tools != nullptr ? *tools : json::array{};
    if (tools == nullptr || tools->empty()) return {};
    if (tools->size() > kMaxTools) return refuse("tools", fmt::format("must have at most {} entries", kMaxTools));
    json::array made;
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const auto path = fmt::format("tools[{}]", i);
        if (!(*tools)[i].is_object()) return refuse(path, "must be an object");
        const json::Reader tool((*tools)[i].get_object(), path);
        TRY_ASSIGN(const auto type, tool.required_string("type"));
        if (!is_supported_tool(type)) {
            return refuse(tool.name("type"), fmt::format("'{}' is not supported; supported are 'function' and 'custom'",
                                                         type.substr(0, 60)));
        }
        TRY_ASSIGN(const auto name, tool.required_string("name"));
        if (name.empty() || name.size() > 128) return refuse(tool.name("name"), "must be 1 to 128 bytes long");
        if (!names.insert(name).second) return refuse(tool.name("name"), "is given twice");
        TRY_ASSIGN(const auto description, tool.optional_string("description"));
        json::object function{{"name", name}};
        if (type == "custom") {
            TRY(tool.optional_object("format"));
            function = custom_as_function(tool, name, description.value_or(""));
            request.custom_tools.insert(name);
        } else {
            TRY(tool.optional_object("parameters"));
            TRY(tool.optional_bool("strict"));
            for (const auto* key : {"description", "parameters", "strict"}) forward(tool, key, function, key);
            auto& echoed = request.echo["tools"].get_array()[i].get_object();
            if (!echoed.contains("parameters")) echoed["parameters"] = nullptr;
            if (!echoed.contains("strict")) echoed["strict"] = nullptr;
        }
        made.emplace_back(json::object{{"type", "function"}, {"function", std::move(function)}});
    }
    request.settings["tools"] = std::move(made);
    return {};
}

/// Only the tools that a choice allows are offered at all.
void keep_tools(json::object& settings, const std::set<std::string>& allowed) {
    json::array kept;
    for (auto& tool : settings["tools"].get_array()) {
        if (allowed.contains(std::string(json::string_or(tool.at("function").as_object(), "name"))))
            kept.push_back(tool);
    }
    settings["tools"] = std::move(kept);
}

Result<> read_tool_choice(const json::Reader& body, ResponseRequest& request, const std::set<std::string>& names) {
    request.echo["tool_choice"] = body.has("tool_choice") ? *body.find("tool_choice") : json::value("auto");
    if (!body.has("tool_choice")) return {};
    const auto& choice = *body.find("tool_choice");
    if (choice.is_string()) {
        TRY(check_word(body, "tool_choice", {"none", "auto", "required"}));
        if (choice.get_string() == "required" && names.empty()) return refuse("tool_choice", "needs 'tools'");
        if (!names.empty()) request.settings["tool_choice"] = choice;
        return {};
    }
    if (!choice.is_object()) return refuse("tool_choice", "must be 'none', 'auto', 'required' or an object");
    const json::Reader reader(choice.get_object(), "tool_choice");
    TRY_ASSIGN(const auto type, reader.required_string("type"));
    TRY(check_word(reader, "type", {"function", "custom", "allowed_tools"}));
    if (type != "allowed_tools") {
        TRY_ASSIGN(const auto name, reader.required_string("name"));
        if (!names.contains(name)) return refuse("tool_choice.name", "is not among 'tools'");
        request.settings["tool_choice"] = {{"type", "function"}, {"function", {{"name", name}}}};
        return {};
    }
    TRY_ASSIGN(const auto mode, reader.required_string("mode"));
    TRY(check_word(reader, "mode", {"auto", "required"}));
    TRY_ASSIGN(const auto* tools, reader.required_array("tools"));
    std::set<std::string> allowed;
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const auto path = fmt::format("tool_choice.tools[{}]", i);
        if (!(*tools)[i].is_object()) return refuse(path, "must be an object");
        TRY_ASSIGN(const auto name, json::Reader((*tools)[i].get_object(), path).required_string("name"));
        if (!names.contains(name)) return refuse(path + ".name", "is not among 'tools'");
        allowed.insert(name);
    }
    if (allowed.empty()) return refuse("tool_choice.tools", "must not be empty");
    keep_tools(request.settings, allowed);
    request.settings["tool_choice"] = mode;
    return {};
}

Result<> read_sampling(const json::Reader& body, ResponseRequest& request) {
    TRY_ASSIGN(const auto temperature, body.optional_number("temperature", 0, 2));
    TRY_ASSIGN(const auto top_p, body.optional_number("top_p", 0, 1));
    TRY_ASSIGN(const auto max_tokens, body.optional_int("max_output_tokens", 1, kMaxTokens));
    TRY(body.optional_int("max_tool_calls", 1, 1000));
    TRY_ASSIGN(const auto parallel, body.optional_bool("parallel_tool_calls"));
    auto& settings = request.settings;
    if (temperature) settings["temperature"] = *temperature;
    if (top_p) settings["top_p"] = *top_p;
    if (max_tokens) settings["max_completion_tokens"] = *max_tokens;
    if (parallel && settings.contains("tools")) settings["parallel_tool_calls"] = *parallel;
    for (const auto* key : {"user", "safety_identifier", "prompt_cache_key", "service_tier"}) {
        TRY(body.optional_string(key));
        forward(body, key, settings, key);
    }
    auto& echo = request.echo;
    echo["temperature"] = temperature.value_or(1.0);
    echo["top_p"] = top_p.value_or(1.0);
    echo["max_output_tokens"] = max_tokens ? json::value(*max_tokens) : json::value(nullptr);
    echo["max_tool_calls"] = body.has("max_tool_calls") ? *body.find("max_tool_calls") : json::value(nullptr);
    echo["parallel_tool_calls"] = parallel.value_or(true);
    echo["top_logprobs"] = body.has("top_logprobs") ? *body.find("top_logprobs") : json::value(0);
    echo["service_tier"] = "default";
    for (const auto* key : {"user", "safety_identifier", "prompt_cache_key"}) {
        if (body.has(key)) echo[key] = *body.find(key);
    }
    return {};
}

Result<> read_state(const json::Reader& body, ResponseRequest& request) {
    TRY_ASSIGN(const auto previous, body.optional_string("previous_response_id"));
    request.previous_response_id = previous.value_or("");
    if (body.has("conversation")) {
        const auto& conversation = *body.find("conversation");
        if (conversation.is_object()) {
            TRY_ASSIGN(request.conversation,
                       json::Reader(conversation.get_object(), "conversation").required_string("id"));
        } else {
            TRY_ASSIGN(request.conversation, body.required_string("conversation"));
        }
        if (previous) return refuse("previous_response_id", "cannot be used together with 'conversation'");
    }
    TRY_ASSIGN(const auto store, body.optional_bool("store"));
    TRY_ASSIGN(const auto stream, body.optional_bool("stream"));
    TRY_ASSIGN(const auto background, body.optional_bool("background"));
    TRY_ASSIGN(const auto* options, body.optional_object("stream_options"));
    if (options != nullptr) TRY(json::Reader(*options, "stream_options").optional_bool("include_obfuscation"));
    TRY(check_word(body, "truncation", {"auto", "disabled"}));
    request.store = store.value_or(true);
    request.stream = stream.value_or(false);
    request.background = background.value_or(false);
    request.truncate = body.has("truncation") && body.find("truncation")->as_string() == "auto";
    if (request.background && !request.store) return refuse("background", "needs 'store' to be true");
    auto& echo = request.echo;
    echo["background"] = request.background;
    echo["store"] = request.store;
    echo["truncation"] = request.truncate ? "auto" : "disabled";
    echo["previous_response_id"] = previous ? json::value(*previous) : json::value(nullptr);
    if (!request.conversation.empty()) echo["conversation"] = {{"id", request.conversation}};
    return {};
}

}  // namespace

bool is_supported_tool(std::string_view type) {
    return type == "function" || type == "custom";
}

Result<json::object> read_metadata(const json::object& object) {
    TRY_ASSIGN(const auto* metadata, json::Reader(object).optional_object("metadata"));
    if (metadata == nullptr) return json::object{};
    if (metadata->size() > 16) return refuse("metadata", "must have at most 16 entries");
    for (const auto& [key, value] : *metadata) {
        if (key.size() > 64 || !value.is_string() || value.get_string().size() > 512)
            return refuse("metadata", "must map keys of up to 64 bytes to strings of up to 512 bytes");
    }
    return *metadata;
}

Result<ResponseRequest> ResponseRequest::parse(const json::object& object) {
    const json::Reader body(object);
    ResponseRequest request;
    TRY_ASSIGN(request.model, body.required_string("model"));
    if (request.model.empty() || request.model.size() > 256) return refuse("model", "must be 1 to 256 bytes long");
    if (body.has("prompt")) return refuse("prompt", "is not supported: there are no stored prompt templates here");
    TRY(read_state(body, request));
    const bool has_context = !request.previous_response_id.empty() || !request.conversation.empty();
    if (!body.has("input") && !has_context)
        return refuse("input", "is required and must be a string or an array of items");
    if (body.has("input")) {
        TRY_ASSIGN(request.input, normalise_input(*body.find("input"), "input"));
        if (request.input.empty() && !has_context) return refuse("input", "must have at least one item");
    }
    TRY_ASSIGN(const auto instructions, body.optional_string("instructions"));
    request.instructions = instructions.value_or("");
    request.echo["instructions"] = instructions ? json::value(*instructions) : json::value(nullptr);
    TRY_ASSIGN(auto metadata, read_metadata(object));
    request.echo["metadata"] = std::move(metadata);
    request.echo["model"] = request.model;
    TRY(read_include(body, request));
    TRY(read_reasoning_and_text(body, request));
    std::set<std::string> tools;
    TRY(read_tools(body, request, tools));
    TRY(read_tool_choice(body, request, tools));
    TRY(read_sampling(body, request));
    return request;
}

}  // namespace atrium::app
