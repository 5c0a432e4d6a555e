#include "model/engine/serving/openai_response.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/id.h"
#include "base/text.h"

namespace atrium::model {
namespace {

std::string_view error_type(Code code) {
    switch (code) {
        case Code::kResourceExhausted: return "rate_limit_error";
        case Code::kUnavailable:
        case Code::kInternal:
        case Code::kUnknown:
        case Code::kDeadlineExceeded:
        case Code::kDataLoss: return "server_error";
        default: return "invalid_request_error";
    }
}

json::array bytes_json(std::string_view bytes) {
    json::array out;
    for (const char c : bytes) out.push_back(static_cast<unsigned char>(c));
    return out;
}

json::object logprob_entry(const std::string& bytes, float logprob) {
    return {{"token", text::to_valid_utf8(bytes)}, {"logprob", std::max(logprob, -9999.0F)}, {"bytes", bytes_json(bytes)}};
}

}  // namespace

json::object usage_json(const Usage& usage) {
    return {{"prompt_tokens", usage.prompt_tokens},
            {"completion_tokens", usage.completion_tokens},
            {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
            {"prompt_tokens_details", json::object{{"cached_tokens", usage.cached_tokens}}}};
}

json::object response_json(const ResponseIdentity& identity, json::array choices) {
    return {{"id", identity.id},
            {"object", identity.object},
            {"created", identity.created},
            {"model", identity.model},
            {"choices", std::move(choices)}};
}

void add_progress(json::object& response, const Usage& usage) {
    response["atrium"] = json::object{{"prompt_tokens", usage.prompt_tokens},
                                      {"completion_tokens", usage.completion_tokens},
                                      {"cached_tokens", usage.cached_tokens}};
}

std::string_view finish_reason_name(FinishReason reason, bool tool_calls) {
    if (reason == FinishReason::kLength) return "length";
    return tool_calls ? "tool_calls" : "stop";
}

json::object chat_logprobs(const std::vector<TokenDetail>& details) {
    json::array content;
    for (const TokenDetail& detail : details) {
        json::object entry = logprob_entry(detail.bytes, detail.logprob);
        json::array top;
        for (const auto& [bytes, logprob] : detail.top) top.push_back(logprob_entry(bytes, logprob));
        entry["top_logprobs"] = std::move(top);
        content.push_back(std::move(entry));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
}

json::object completion_logprobs(const std::vector<TokenDetail>& details, std::size_t offset) {
    json::array tokens;
    json::array values;
    json::array tops;
    json::array offsets;
    for (const TokenDetail& detail : details) {
        const std::string token = text::to_valid_utf8(detail.bytes);
        json::object top;
        for (const auto& [bytes, logprob] : detail.top) top[text::to_valid_utf8(bytes)] = std::max(logprob, -9999.0F);
        offsets.push_back(offset);
        offset += text::char_count(token);
        tokens.emplace_back(token);
        values.push_back(std::max(detail.logprob, -9999.0F));
        tops.push_back(std::move(top));
    }
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(values)},
            {"top_logprobs", std::move(tops)},
            {"text_offset", std::move(offsets)}};
}

json::array tool_calls_json(const std::vector<ToolCall>& calls, const std::vector<std::string>& ids) {
    json::array out;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        out.push_back(json::object{{"id", ids[i]},
                                   {"type", "function"},
                                   {"function", json::object{{"name", calls[i].name}, {"arguments", calls[i].arguments}}}});
    }
    return out;
}

json::object error_json(const Error& error) {
    json::value code = nullptr;
    if (!error.reason().empty()) code = error.reason();
    json::value param = nullptr;
    if (!error.field().empty()) param = error.field();
    return {{"error", json::object{{"message", error.message()}, {"type", error_type(error.code())}, {"param", param}, {"code", code}}}};
}

http::Response error_response(const Error& error, std::chrono::seconds retry_after) {
    http::Response response = http::Response::json(http_status(error.code()), json::serialize(error_json(error)));
    if (error.code() == Code::kResourceExhausted || error.code() == Code::kUnavailable) {
        response.headers.set("Retry-After", std::to_string(retry_after.count()));
    }
    return response;
}

std::string sse_data(const json::object& event) { return "data: " + json::serialize(event) + "\n\n"; }

std::string base64_floats(const std::vector<float>& vector) {
    static_assert(std::endian::native == std::endian::little);
    constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<unsigned char> bytes(vector.size() * sizeof(float));
    if (!bytes.empty()) std::memcpy(bytes.data(), vector.data(), bytes.size());
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < have ? bytes[i + k] : 0U);
        for (std::size_t k = 0; k < 4; ++k) out.push_back(k <= have ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
    }
    return out;
}

std::vector<json::object> ChatDeltas::feed(std::string_view text, bool last) {
    std::vector<json::object> deltas;
    text_ += text;
    if (!parser_) {
        // A prompt ends "Assistant:" because " Paris" is one token, not two; that space is not part of the answer.
        if (message_.content.empty()) text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
        message_.content += text;
        if (!text.empty()) deltas.push_back({{"content", text}});
        return deltas;
    }
    // Each parse reads the whole text again: parse when it has grown by a sixteenth, which keeps the sum linear.
    if (!last && text_.size() - parsed_bytes_ < 1 + text_.size() / 16) return deltas;
    parsed_bytes_ = text_.size();
    const Result<ChatMessage> parsed = parser_->parse(text_, !last);
    if (parsed) {
        compare(*parsed, deltas);
    } else if (last && message_.content.empty() && message_.tool_calls.empty()) {
        // The output does not have the expected form: the caller gets it as it is rather than nothing.
        compare(ChatMessage{text_, message_.reasoning, {}}, deltas);
    }
    return deltas;
}

void ChatDeltas::compare(const ChatMessage& next, std::vector<json::object>& deltas) {
    const auto grow = [&](std::string& have, const std::string& now, const char* key) {
        // A partial parse may guess; only what extends the text already sent can be sent.
        if (now.size() <= have.size() || !now.starts_with(have)) return;
        deltas.push_back({{key, now.substr(have.size())}});
        have = now;
    };
    grow(message_.reasoning, next.reasoning, "reasoning_content");
    grow(message_.content, next.content, "content");
    for (std::size_t i = 0; i < next.tool_calls.size(); ++i) {
        json::object call{{"index", i}};
        json::object function;
        if (i == message_.tool_calls.size()) {
            if (next.tool_calls[i].name.empty()) break;
            call_ids_.push_back(new_id("call_"));
            message_.tool_calls.push_back({next.tool_calls[i].name, {}});
            call["id"] = call_ids_.back();
            call["type"] = "function";
            function["name"] = next.tool_calls[i].name;
            function["arguments"] = "";
        }
        std::string& have = message_.tool_calls[i].arguments;
        const std::string& now = next.tool_calls[i].arguments;
        if (now.size() > have.size() && now.starts_with(have)) {
            function["arguments"] = now.substr(have.size());
            have = now;
        }
        if (function.empty()) continue;
        call["function"] = std::move(function);
        deltas.push_back({{"tool_calls", json::array{std::move(call)}}});
    }
}

}  // namespace atrium::model
