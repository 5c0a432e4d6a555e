#include "gateway/ollama/ollama_request.h"

#include <fmt/format.h>

#include "base/id.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxImages = 64;

/// Base64 tells the format in its first letters.
std::string_view image_type(std::string_view base64) {
    if (base64.starts_with("/9j")) return "image/jpeg";
    if (base64.starts_with("R0lG")) return "image/gif";
    if (base64.starts_with("UklG")) return "image/webp";
    return "image/png";
}

/// `text` and images as the content of a chat message.
Result<json::value> content_of(std::string_view text, const json::array* images, const std::string& field,
                               bool& only_text) {
    if (images == nullptr || images->empty()) return json::value(text);
    if (images->size() > kMaxImages) return refuse(field, fmt::format("must have at most {} entries", kMaxImages));
    json::array parts;
    if (!text.empty()) parts.emplace_back(json::object{{"type", "text"}, {"text", text}});
    for (std::size_t i = 0; i < images->size(); ++i) {
        if (!(*images)[i].is_string()) return refuse(fmt::format("{}[{}]", field, i), "must be a base64 string");
        const std::string_view data = (*images)[i].get_string();
        only_text = false;
        parts.emplace_back(json::object{
            {"type", "image_url"}, {"image_url", {{"url", fmt::format("data:{};base64,{}", image_type(data), data)}}}});
    }
    return json::value(std::move(parts));
}

/// Ollama's calls have no ids; the answers of tools follow in the order of the calls.
struct CallIds {
    std::vector<std::string> open;
    std::size_t next = 0;

    std::string answered() { return next < open.size() ? open[next++] : "call_" + std::to_string(next++); }
};

Result<json::array> translate_calls(const json::array& calls, const std::string& path, CallIds& ids) {
    json::array made;
    ids = {};
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const auto here = fmt::format("{}[{}]", path, i);
        if (!calls[i].is_object()) return refuse(here, "must be an object");
        const json::Reader call(calls[i].get_object(), here);
        TRY_ASSIGN(const auto* function, call.required_object("function"));
        const json::Reader named(*function, call.name("function"));
        TRY_ASSIGN(const auto name, named.required_string("name"));
        TRY_ASSIGN(const auto* arguments, named.optional_object("arguments"));
        TRY_ASSIGN(const auto given, call.optional_string("id"));
        const std::string id = given ? *given : new_id("call_");
        ids.open.push_back(id);
        made.emplace_back(json::object{
            {"id", id},
            {"type", "function"},
            {"function", {{"name", name}, {"arguments", arguments != nullptr ? json::serialize(*arguments) : "{}"}}}});
    }
    return made;
}

Result<json::object> translate_message(const json::Reader& message, CallIds& ids, bool& only_text) {
    TRY_ASSIGN(const auto role, message.required_string("role"));
    TRY(check_word(message, "role", {"system", "user", "assistant", "tool"}));
    TRY_ASSIGN(const auto text, message.optional_string("content"));
    TRY_ASSIGN(const auto* images, message.optional_array("images"));
    TRY_ASSIGN(const auto thinking, message.optional_string("thinking"));
    TRY_ASSIGN(const auto* calls, message.optional_array("tool_calls"));
    json::object made{{"role", role}};
    TRY_ASSIGN(auto content, content_of(text.value_or(""), images, message.name("images"), only_text));
    made["content"] = std::move(content);
    if (thinking && !thinking->empty()) made["reasoning_content"] = *thinking;
    if (calls != nullptr && !calls->empty()) {
        TRY_ASSIGN(auto translated, translate_calls(*calls, message.name("tool_calls"), ids));
        made["tool_calls"] = std::move(translated);
    }
    if (role == "tool") {
        TRY_ASSIGN(const auto given, message.optional_string("tool_call_id"));
        made["tool_call_id"] = given ? *given : ids.answered();
    }
    return made;
}

Result<> translate_options(const json::Reader& body, json::object& out) {
    TRY_ASSIGN(const auto* object, body.optional_object("options"));
    if (object == nullptr) return {};
    const json::Reader options(*object, "options");
    struct Number {
        const char* from;
        const char* to;
        double min;
        double max;
    };
    static constexpr Number kNumbers[] = {{"temperature", "temperature", 0, 2},
                                          {"top_p", "top_p", 0, 1},
                                          {"min_p", "min_p", 0, 1},
                                          {"repeat_penalty", "repetition_penalty", 0, 10},
                                          {"presence_penalty", "presence_penalty", -2, 2},
                                          {"frequency_penalty", "frequency_penalty", -2, 2}};
    for (const auto& row : kNumbers) {
        TRY_ASSIGN(const auto number, options.optional_number(row.from, row.min, row.max));
        if (number) out[row.to] = *number;
    }
    TRY_ASSIGN(const auto top_k, options.optional_int("top_k", 0, 1'000'000));
    if (top_k) out["top_k"] = *top_k;
    TRY_ASSIGN(const auto seed, options.optional_int("seed", INT64_MIN, INT64_MAX));
    if (seed) out["seed"] = *seed;
    // -1 and -2 mean "no limit" there, which is the absence of one here.
    TRY_ASSIGN(const auto predict, options.optional_int("num_predict", -2, kMaxTokenLimit));
    if (predict && *predict > 0) out["max_tokens"] = *predict;
    if (options.has("stop")) {
        const auto& stop = *options.find("stop");
        if (!stop.is_string() && !stop.is_array())
            return refuse("options.stop", "must be a string or an array of strings");
        if (stop.is_array()) {
            for (const auto& one : stop.get_array()) {
                if (!one.is_string() || one.get_string().empty())
                    return refuse("options.stop", "must have strings that are not empty");
            }
        }
        if (stop.is_string() || !stop.get_array().empty()) out["stop"] = stop;
    }
    return {};
}

Result<> translate_format(const json::Reader& body, json::object& out) {
    if (!body.has("format")) return {};
    const auto& format = *body.find("format");
    if (format.is_string() && (format.get_string() == "json" || format.get_string().empty())) {
        if (!format.get_string().empty()) out["response_format"] = {{"type", "json_object"}};
        return {};
    }
    if (!format.is_object()) return refuse("format", "must be \"json\" or a JSON Schema");
    out["response_format"] = {{"type", "json_schema"},
                              {"json_schema", {{"name", "answer"}, {"schema", format}, {"strict", true}}}};
    return {};
}

Result<> translate_think(const json::Reader& body, json::object& out) {
    if (!body.has("think")) return {};
    const auto& think = *body.find("think");
    if (think.is_bool()) {
        if (think.get_bool()) out["reasoning_effort"] = "medium";
        return {};
    }
    if (!think.is_string()) return refuse("think", "must be a boolean or a word");
    TRY(check_word(body, "think", {"low", "medium", "high"}));
    out["reasoning_effort"] = think;
    return {};
}

/// What chat and generate have in common.
Result<OllamaRequest> translate_common(const json::Reader& body) {
    OllamaRequest request;
    TRY_ASSIGN(request.model, check_model(body));
    TRY_ASSIGN(const auto stream, body.optional_bool("stream"));
    request.stream = stream.value_or(true);
    request.body["model"] = request.model;
    TRY(translate_options(body, request.body));
    TRY(translate_format(body, request.body));
    TRY(translate_think(body, request.body));
    if (request.stream) {
        request.body["stream"] = true;
        request.body["stream_options"] = {{"include_usage", true}};
    }
    return request;
}

}  // namespace

Result<OllamaRequest> translate_ollama_chat(const json::object& object) {
    const json::Reader body(object);
    TRY_ASSIGN(auto request, translate_common(body));
    TRY_ASSIGN(const auto* messages, body.optional_array("messages"));
    request.empty = messages == nullptr || messages->empty();
    if (request.empty) return request;
    CallIds ids;
    json::array made;
    for (std::size_t i = 0; i < messages->size(); ++i) {
        const auto path = fmt::format("messages[{}]", i);
        if (!(*messages)[i].is_object()) return refuse(path, "must be an object");
        TRY_ASSIGN(auto message,
                   translate_message(json::Reader((*messages)[i].get_object(), path), ids, request.only_text));
        made.emplace_back(std::move(message));
    }
    request.body["messages"] = std::move(made);
    TRY_ASSIGN(const auto* tools, body.optional_array("tools"));
    if (tools == nullptr || tools->empty()) return request;
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const auto path = fmt::format("tools[{}]", i);
        if (!(*tools)[i].is_object()) return refuse(path, "must be an object");
        const json::Reader tool((*tools)[i].get_object(), path);
        TRY_ASSIGN(const auto* function, tool.required_object("function"));
        TRY(json::Reader(*function, tool.name("function")).required_string("name"));
    }
    request.body["tools"] = *tools;
    return request;
}

Result<OllamaRequest> translate_ollama_generate(const json::object& object) {
    const json::Reader body(object);
    TRY_ASSIGN(auto request, translate_common(body));
    TRY_ASSIGN(const auto prompt, body.optional_string("prompt"));
    TRY_ASSIGN(const auto system, body.optional_string("system"));
    TRY_ASSIGN(const auto suffix, body.optional_string("suffix"));
    TRY_ASSIGN(const auto raw, body.optional_bool("raw"));
    TRY_ASSIGN(const auto* images, body.optional_array("images"));
    request.empty = (!prompt || prompt->empty()) && images == nullptr;
    if (request.empty) return request;
    if (raw.value_or(false) || suffix) {
        request.body["prompt"] = prompt.value_or("");
        if (suffix) request.body["suffix"] = *suffix;
        return request;
    }
    json::array messages;
    if (system && !system->empty()) messages.emplace_back(json::object{{"role", "system"}, {"content", *system}});
    TRY_ASSIGN(auto content, content_of(prompt.value_or(""), images, "images", request.only_text));
    messages.emplace_back(json::object{{"role", "user"}, {"content", std::move(content)}});
    request.body["messages"] = std::move(messages);
    return request;
}

}  // namespace atrium::gateway
