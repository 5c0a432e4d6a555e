#include "gateway/model_calls.h"

#include <fmt/format.h>

namespace atrium::gateway {

Result<> check_chat_fit(const app::ChatService& chat, std::string_view model, bool only_text,
                        std::string_view content_field) {
    TRY_ASSIGN(const auto info, chat.ready_model(model));
    if (info.owned_by != "atrium") return {};
    if (info.embedding) {
        return fail(
            invalid_argument(
                fmt::format("The model '{}' makes embeddings and cannot chat; use /v1/embeddings or a chat model.",
                            info.id))
                .with_field("model"));
    }
    if (!only_text) {
        return fail(
            invalid_argument(
                fmt::format("The model '{}' reads text only; images, audio and files are not supported.", info.id))
                .with_field(std::string(content_field)));
    }
    return {};
}

namespace {

/// Bytes of the strings that a model reads; what is long and no text (data URLs) does not count.
std::size_t text_bytes(const json::value& value) {
    std::size_t bytes = 0;
    if (const auto* string = value.if_string()) return string->starts_with("data:") ? 0 : string->size();
    if (const auto* list = value.if_array()) {
        for (const auto& item : *list) bytes += text_bytes(item);
    } else if (const auto* object = value.if_object()) {
        for (const auto& [key, member] : *object) bytes += text_bytes(member);
    }
    return bytes;
}

}  // namespace

Task<std::int64_t> count_chat_tokens(Call& call, app::ChatService& chat, const json::object& chat_body) {
    json::object body;
    std::size_t bytes = 0;
    for (const auto* key : {"model", "messages", "tools"}) {
        if (const auto* value = chat_body.if_contains(key)) {
            body[key] = *value;
            bytes += text_bytes(*value);
        }
    }
    const auto answer = co_await chat.complete(
        app::make_model_call(model::Operation::kTokenize, call.context(), std::move(body)), nullptr);
    if (answer) {
        const auto parsed = json::parse_object(answer->body);
        const auto* count = parsed ? parsed->if_contains("count") : nullptr;
        if (count != nullptr && count->is_int64()) co_return count->get_int64();
    }
    call.exchange().add_response_header("x-atrium-token-count", "estimated");
    co_return static_cast<std::int64_t>(bytes / 4 + 1);
}

}  // namespace atrium::gateway
