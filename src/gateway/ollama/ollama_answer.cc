#include "gateway/ollama/ollama_answer.h"

#include <algorithm>

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxCalls = 128;
constexpr std::size_t kMaxArgumentBytes = 16u << 20;

Error unusable() {
    return unavailable("the model gave an answer that cannot be read, please retry")
        .with_reason("upstream_interrupted");
}

std::int64_t count(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? std::max<std::int64_t>(0, value->get_int64()) : 0;
}

std::string_view reasoning_of(const json::object& message) {
    const auto text = json::string_or(message, "reasoning_content");
    return text.empty() ? json::string_or(message, "reasoning") : text;
}

}  // namespace

json::object OllamaAnswer::line(std::string_view now, std::string_view text, std::string_view thinking) const {
    json::object made{{"model", model_}, {"created_at", now}};
    if (shape_ == OllamaShape::kGenerate) {
        made["response"] = text;
        if (!thinking.empty()) made["thinking"] = thinking;
    } else {
        json::object message{{"role", "assistant"}, {"content", text}};
        if (!thinking.empty()) message["thinking"] = thinking;
        made["message"] = std::move(message);
    }
    made["done"] = false;
    return made;
}

void OllamaAnswer::take_usage(const json::object& body) {
    const auto* usage = body.if_contains("usage");
    if (usage == nullptr || !usage->is_object()) return;
    prompt_tokens_ = count(usage->get_object(), "prompt_tokens");
    answer_tokens_ = count(usage->get_object(), "completion_tokens");
}

void OllamaAnswer::take_calls(const json::object& delta) {
    const auto* calls = delta.if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) return;
    std::size_t position = 0;
    for (const auto& value : calls->get_array()) {
        const auto* call = value.if_object();
        const auto* function = call != nullptr ? call->if_contains("function") : nullptr;
        if (function == nullptr || !function->is_object()) continue;
        const auto index = call->contains("index") ? static_cast<std::size_t>(count(*call, "index")) : position;
        ++position;
        if (index >= kMaxCalls) continue;
        if (calls_.size() <= index) calls_.resize(index + 1);
        auto& known = calls_[index];
        known.name += json::string_or(function->get_object(), "name");
        const auto piece = json::string_or(function->get_object(), "arguments");
        if (known.arguments.size() + piece.size() <= kMaxArgumentBytes) known.arguments += piece;
    }
}

json::array OllamaAnswer::calls_json() const {
    json::array made;
    for (const auto& call : calls_) {
        auto arguments = json::parse_object(call.arguments.empty() ? "{}" : call.arguments);
        json::object shown = arguments ? std::move(*arguments) : json::object{{"unparsed_arguments", call.arguments}};
        made.emplace_back(json::object{{"function", {{"name", call.name}, {"arguments", std::move(shown)}}}});
    }
    return made;
}

std::vector<json::object> OllamaAnswer::finished_calls(std::string_view now) {
    if (calls_.empty() || shape_ != OllamaShape::kChat) return {};
    auto made = line(now, "", "");
    made["message"].get_object()["tool_calls"] = calls_json();
    calls_.clear();
    return {std::move(made)};
}

Result<std::vector<json::object>> OllamaAnswer::feed(std::string_view payload, std::string_view now) {
    std::vector<json::object> lines;
    if (payload == "[DONE]") return finished_calls(now);
    TRY_ASSIGN(const auto chunk, json::parse_object(payload));
    take_usage(chunk);
    const auto* choices = chunk.if_contains("choices");
    if (choices == nullptr || !choices->is_array()) return lines;
    for (const auto& value : choices->get_array()) {
        const auto* choice = value.if_object();
        if (choice == nullptr) continue;
        const auto* delta = choice->if_contains("delta");
        const json::object& said = delta != nullptr && delta->is_object() ? delta->get_object() : *choice;
        const auto text = json::string_or(said, delta != nullptr ? "content" : "text");
        const auto thinking = reasoning_of(said);
        if (!text.empty() || !thinking.empty()) lines.push_back(line(now, text, thinking));
        take_calls(said);
        if (const auto reason = json::string_or(*choice, "finish_reason"); !reason.empty())
            finish_reason_ = reason == "length" ? "length" : "stop";
    }
    return lines;
}

json::object OllamaAnswer::end(std::string_view now, std::int64_t total_ns, std::int64_t prompt_ns) const {
    auto made = line(now, "", "");
    made["done"] = true;
    made["done_reason"] = finish_reason_;
    made["total_duration"] = total_ns;
    made["load_duration"] = 0;
    made["prompt_eval_count"] = prompt_tokens_;
    made["prompt_eval_duration"] = std::min(prompt_ns, total_ns);
    made["eval_count"] = answer_tokens_;
    made["eval_duration"] = total_ns - std::min(prompt_ns, total_ns);
    return made;
}

Result<json::object> OllamaAnswer::whole(std::string_view completion, std::string_view now, std::int64_t total_ns) {
    TRY_ASSIGN(const auto body, json::parse_object(completion));
    take_usage(body);
    const auto* choices = body.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->get_array().empty() ||
        !choices->get_array()[0].is_object())
        return fail(unusable());
    const auto& choice = choices->get_array()[0].get_object();
    if (json::string_or(choice, "finish_reason") == "length") finish_reason_ = "length";
    const auto* message = choice.if_contains("message");
    const json::object& said = message != nullptr && message->is_object() ? message->get_object() : choice;
    take_calls(said);
    auto made = end(now, total_ns, 0);
    const auto text = json::string_or(said, message != nullptr ? "content" : "text");
    for (auto& [key, value] : line(now, text, reasoning_of(said))) {
        if (key != "done") made[key] = value;
    }
    if (!calls_.empty() && shape_ == OllamaShape::kChat) made["message"].get_object()["tool_calls"] = calls_json();
    return made;
}

}  // namespace atrium::gateway
