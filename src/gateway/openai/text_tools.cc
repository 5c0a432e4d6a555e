#include "gateway/openai/text_tools.h"

#include <fmt/format.h>

#include "base/id.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxDocuments = 2048;
constexpr std::size_t kMaxInputs = 2048;

/// A string or a list of things; each checked by its own rule.
Result<> check_documents(const json::Reader& body) {
    TRY_ASSIGN(const auto* documents, body.required_array("documents"));
    if (documents->empty() || documents->size() > kMaxDocuments)
        return refuse("documents", fmt::format("must have 1 to {} entries", kMaxDocuments));
    for (std::size_t i = 0; i < documents->size(); ++i) {
        const auto field = fmt::format("documents[{}]", i);
        const auto& document = (*documents)[i];
        if (document.is_string()) continue;
        if (!document.is_object()) return refuse(field, "must be a string or an object with 'text'");
        TRY(json::Reader(document.get_object(), field).required_string("text"));
    }
    return {};
}

Task<Result<>> pass_on(Call& call, app::ChatService& chat, model::Operation operation, json::object body) {
    CO_TRY_ASSIGN(auto answer, co_await chat.complete(app::make_model_call(operation, call.context(), std::move(body)),
                                                      &call.outcome));
    co_return co_await call.exchange().respond(http::Response::json(200, std::move(answer.body)));
}

Task<Result<>> rerank(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY(check_model(reader));
    CO_TRY(reader.required_string("query"));
    CO_TRY(check_documents(reader));
    CO_TRY(reader.optional_int("top_n", 1, static_cast<std::int64_t>(kMaxDocuments)));
    CO_TRY(reader.optional_bool("return_documents"));
    CO_TRY(reader.optional_int("max_tokens_per_doc", 1, kMaxTokenLimit));
    CO_TRY_ASSIGN(auto answer,
                  co_await chat.complete(
                      app::make_model_call(model::Operation::kRerank, call.context(), std::move(body)), &call.outcome));
    CO_TRY_ASSIGN(auto told, json::parse_object(answer.body));
    if (!told.contains("id")) told["id"] = new_id("rerank-");
    co_return co_await call.respond_json(told);
}

Task<Result<>> moderate(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_body());
    const json::Reader reader(body);
    if (!reader.has("model")) {
        co_return fail(
            invalid_argument("'model' is required here: name a moderation model of a configured upstream (section "
                             "'upstreams' of the configuration); none is built in.")
                .with_field("model"));
    }
    CO_TRY(check_model(reader));
    if (!reader.has("input")) co_return refuse("input", "is required and must be a string or an array");
    const auto& input = *reader.find("input");
    if (!input.is_string() && !input.is_array()) co_return refuse("input", "must be a string or an array");
    if (input.is_array()) {
        if (input.get_array().empty() || input.get_array().size() > kMaxInputs)
            co_return refuse("input", fmt::format("must have 1 to {} entries", kMaxInputs));
        for (std::size_t i = 0; i < input.get_array().size(); ++i) {
            if (!input.get_array()[i].is_string() && !input.get_array()[i].is_object())
                co_return refuse(fmt::format("input[{}]", i), "must be a string or an object");
        }
    }
    CO_TRY_ASSIGN(const auto info, chat.ready_model(json::string_or(body, "model")));
    if (info.owned_by == "atrium") {
        co_return fail(
            not_found(fmt::format("The model '{}' does not moderate; name a moderation model of a configured upstream "
                                  "(section 'upstreams' of the configuration).",
                                  info.id))
                .with_field("model"));
    }
    co_return co_await pass_on(call, chat, model::Operation::kModeration, std::move(body));
}

Task<Result<>> tokenize(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY(check_model(reader));
    CO_TRY_ASSIGN(const auto prompt, reader.optional_string("prompt"));
    CO_TRY_ASSIGN(const auto* messages, reader.optional_array("messages"));
    if (!prompt && messages == nullptr) co_return refuse("prompt", "or 'messages' is required");
    CO_TRY(reader.optional_bool("add_special_tokens"));
    co_return co_await pass_on(call, chat, model::Operation::kTokenize, std::move(body));
}

Task<Result<>> detokenize(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY(check_model(reader));
    CO_TRY_ASSIGN(const auto* tokens, reader.required_array("tokens"));
    for (std::size_t i = 0; i < tokens->size(); ++i) {
        const auto& token = (*tokens)[i];
        if (!token.is_int64() || token.get_int64() < 0 || token.get_int64() > INT32_MAX)
            co_return refuse(fmt::format("tokens[{}]", i), "must be a token id (an integer from 0)");
    }
    co_return co_await pass_on(call, chat, model::Operation::kDetokenize, std::move(body));
}

}  // namespace

void add_text_tool_routes(RouteTable& routes, app::ChatService& service) {
    struct Row {
        const char* pattern;
        const char* tag;
        const char* summary;
        Task<Result<>> (*handle)(Call&, app::ChatService&);
    };
    static constexpr Row kRows[] = {
        {"/v1/rerank", "rerank", "Order documents by how well they answer a query", rerank},
        {"/v2/rerank", "rerank", "The same under Cohere's path", rerank},
        {"/v1/moderations", "moderations", "Judge texts with a moderation model", moderate},
        {"/tokenize", "tokens", "The tokens of a text or a chat", tokenize},
        {"/v1/tokenize", "tokens", "The tokens of a text or a chat", tokenize},
        {"/detokenize", "tokens", "The text of tokens", detokenize},
        {"/v1/detokenize", "tokens", "The text of tokens", detokenize},
    };
    auto* chat = &service;
    for (const auto& row : kRows) {
        const auto handle = row.handle;
        routes.add({.method = http::Method::kPost,
                    .pattern = row.pattern,
                    .tag = row.tag,
                    .summary = row.summary,
                    .handler = [handle, chat](Call& call) { return handle(call, *chat); }});
    }
}

}  // namespace atrium::gateway
