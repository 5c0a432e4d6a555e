#include "model/engine/serving/engine_server.h"

#include <fmt/format.h>

#include "base/text.h"
#include "observability/log/log.h"

namespace atrium::model {
namespace {

constexpr int kTokenisers = 1;  // cores belong to the decode thread

Error method_not_allowed(http::Method method, std::string_view path) {
    return not_found(fmt::format("no route {} {}", http::method_name(method), path));
}

}  // namespace

EngineServer::EngineServer(ServedModel model, metrics::Registry& registry, const Clock& clock)
    : model_(std::move(model)), registry_(registry), clock_(clock), created_(unix_seconds(clock.system())),
      pool_("tokenise", kTokenisers, 1024) {}

void EngineServer::set_ready(LoadedEngine engine) {
    const std::scoped_lock lock(mutex_);
    engine_ = engine;
}

void EngineServer::set_failed(const Error& error) {
    const std::scoped_lock lock(mutex_);
    failure_ = error.message();
}

Result<LoadedEngine> EngineServer::loaded(bool embedding) const {
    const std::scoped_lock lock(mutex_);
    if (!failure_.empty()) return fail(unavailable(failure_));
    if (!engine_.backend) return fail(unavailable(fmt::format("the model is being loaded ({:.0f} %)", progress_.load() * 100)));
    if (embedding && !engine_.embedding) {
        return fail(invalid_argument(fmt::format("the model '{}' generates text; it has no embeddings", model_.name)).with_field("model"));
    }
    if (!embedding && !engine_.text) {
        return fail(invalid_argument(fmt::format("the model '{}' computes embeddings; it cannot generate text", model_.name)).with_field("model"));
    }
    return engine_;
}

std::chrono::seconds EngineServer::retry_after() const {
    const std::scoped_lock lock(mutex_);
    return engine_.text ? engine_.text->retry_after() : std::chrono::seconds(2);
}

Task<> EngineServer::handle(http::Exchange& exchange) {
    Result<> result = co_await route(exchange);
    if (result) co_return;
    const Error& error = result.error();
    if (error.code() == Code::kInternal) log::error("request failed", {{"error", error}});
    // Once a response has begun there is no other place for the error: closing the connection tells the client.
    if (exchange.response_started() || error.code() == Code::kCancelled) co_return;
    Result<> sent = co_await exchange.respond(error_response(error, retry_after()));
    if (!sent) log::debug("client left before the error", {{"error", sent.error()}});
}

Task<Result<>> EngineServer::route(http::Exchange& exchange) {
    const std::string& path = exchange.head().path;
    const http::Method method = exchange.head().method;
    if (method == http::Method::kGet || method == http::Method::kHead) {
        if (path == "/healthz") co_return co_await exchange.respond(health());
        if (path == "/v1/models") co_return co_await exchange.respond(models());
        if (path == "/metrics") {
            http::Response response = http::Response::text(200, registry_.expose());
            response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
            co_return co_await exchange.respond(std::move(response));
        }
    }
    if (method == http::Method::kPost) {
        if (path == "/v1/chat/completions") co_return co_await chat(exchange);
        if (path == "/v1/completions") co_return co_await completion(exchange);
        if (path == "/v1/embeddings") co_return co_await embedding(exchange);
        if (path == "/tokenize" || path == "/v1/tokenize") co_return co_await tokenize(exchange);
        if (path == "/detokenize" || path == "/v1/detokenize") co_return co_await detokenize(exchange);
    }
    co_return fail(method_not_allowed(method, path));
}

http::Response EngineServer::health() const {
    const std::scoped_lock lock(mutex_);
    json::object body{{"model", model_.name}};
    if (!failure_.empty()) {
        body["status"] = "failed";
        body["reason"] = failure_;
        return http::Response::json(503, json::serialize(body));
    }
    if (!engine_.backend) {
        body["status"] = "loading";
        body["progress"] = progress_.load();
        return http::Response::json(503, json::serialize(body));
    }
    const LoopStatus status = engine_.text ? engine_.text->status() : engine_.embedding->status();
    const BackendFacts& facts = engine_.backend->facts();
    body["status"] = status.failed ? "failed" : "ok";
    body["active"] = status.active;
    body["queued"] = status.queued;
    body["steps"] = status.steps;
    body["since_progress_ms"] = status.active + status.queued > 0 ? status.since_progress.count() : 0;
    body["task"] = model_.embedding ? "embedding" : "chat";
    body["context"] = std::min(facts.context, facts.context_train);
    body["embedding_dimensions"] = facts.embedding_dimensions;
    body["supports_tools"] = facts.supports_tools;
    return http::Response::json(status.failed ? 503 : 200, json::serialize(body));
}

http::Response EngineServer::models() const {
    const std::scoped_lock lock(mutex_);
    json::object model{{"id", model_.name}, {"object", "model"}, {"created", created_}, {"owned_by", "atrium"}};
    if (engine_.backend) {
        const BackendFacts& facts = engine_.backend->facts();
        model["max_model_len"] = std::min(facts.context, facts.context_train);
        model["meta"] = json::object{{"description", facts.description},
                                     {"vocabulary", facts.vocabulary},
                                     {"context_train", facts.context_train},
                                     {"embedding_dimensions", facts.embedding_dimensions},
                                     {"parameters", facts.parameters},
                                     {"weight_bytes", facts.weight_bytes},
                                     {"supports_tools", facts.supports_tools}};
    }
    return http::Response::json(200, json::serialize(json::object{{"object", "list"}, {"data", json::array{std::move(model)}}}));
}

Task<Result<json::object>> EngineServer::read_json(http::Exchange& exchange) {
    CO_TRY_ASSIGN(const std::string body, co_await exchange.read_body(model_.max_body_bytes));
    co_return json::parse_object(body);
}

Task<Result<>> EngineServer::tokenize(http::Exchange& exchange) {
    CO_TRY_ASSIGN(const json::object body, co_await read_json(exchange));
    CO_TRY_ASSIGN(TokenizeBody request, parse_tokenize(body));
    CO_TRY_ASSIGN(const LoadedEngine engine, loaded(model_.embedding));
    const Backend* backend = engine.backend;
    auto work = [backend, request = std::move(request)]() -> Result<std::vector<Token>> {
        if (request.text) return backend->tokenizer().tokenize(*request.text, request.add_special, true);
        TRY_ASSIGN(const ChatPrompt prompt, backend->chat().render(request.chat));
        return backend->tokenizer().tokenize(prompt.text, request.add_special, true);
    };
    CO_TRY_ASSIGN(const std::vector<Token> tokens, co_await offload(pool_, std::move(work)));
    const BackendFacts& facts = backend->facts();
    const json::object answer{{"count", tokens.size()},
                              {"max_model_len", std::min(facts.context, facts.context_train)},
                              {"tokens", json::array(tokens.begin(), tokens.end())}};
    co_return co_await exchange.respond(http::Response::json(200, json::serialize(answer)));
}

Task<Result<>> EngineServer::detokenize(http::Exchange& exchange) {
    CO_TRY_ASSIGN(const json::object body, co_await read_json(exchange));
    CO_TRY_ASSIGN(const std::vector<Token> tokens, parse_tokens(json::Reader(body), "tokens"));
    CO_TRY_ASSIGN(const LoadedEngine engine, loaded(model_.embedding));
    std::string text;
    for (const Token token : tokens) text += engine.backend->tokenizer().piece(token, true);
    const json::object answer{{"prompt", text::to_valid_utf8(text)}};
    co_return co_await exchange.respond(http::Response::json(200, json::serialize(answer)));
}

Task<Result<>> EngineServer::embedding(http::Exchange& exchange) {
    CO_TRY_ASSIGN(const json::object body, co_await read_json(exchange));
    CO_TRY_ASSIGN(EmbeddingBody request, parse_embedding(body));
    CO_TRY_ASSIGN(const LoadedEngine engine, loaded(true));
    const BackendFacts& facts = engine.backend->facts();
    if (request.dimensions && *request.dimensions != facts.embedding_dimensions) {
        co_return fail(invalid_argument(fmt::format("'dimensions' must be {} with the model '{}'", facts.embedding_dimensions, model_.name))
                           .with_field("dimensions"));
    }
    const bool base64 = request.base64;
    const Backend* backend = engine.backend;
    auto work = [backend, inputs = std::move(request.inputs)]() -> Result<std::vector<std::vector<Token>>> {
        const auto limit = static_cast<std::size_t>(backend->facts().context_train);
        std::vector<std::vector<Token>> tokens;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const std::string field = inputs.size() == 1 ? "input" : fmt::format("input[{}]", i);
            if (const auto* text = std::get_if<std::string>(&inputs[i])) {
                if (text->empty()) return fail(invalid_argument(fmt::format("'{}' must not be empty", field)).with_field(field));
                TRY_ASSIGN(auto list, backend->tokenizer().tokenize(*text, true, false));
                tokens.push_back(std::move(list));
            } else {
                tokens.push_back(std::get<std::vector<Token>>(inputs[i]));
                for (const Token token : tokens.back()) {
                    if (token >= backend->facts().vocabulary) {
                        return fail(invalid_argument(fmt::format("'{}' holds token {}, but the model has {} tokens", field, token,
                                                                 backend->facts().vocabulary)).with_field(field));
                    }
                }
            }
            if (tokens.back().empty()) return fail(invalid_argument(fmt::format("'{}' must not be empty", field)).with_field(field));
            if (tokens.back().size() > limit) {
                return fail(invalid_argument(fmt::format("This model's maximum context length is {} tokens, but '{}' has {} tokens. "
                                                         "Please shorten it.", limit, field, tokens.back().size()))
                                .with_field(field).with_reason("context_length_exceeded"));
            }
        }
        return tokens;
    };
    auto job = std::make_shared<EmbeddingJob>();
    CO_TRY_ASSIGN(job->inputs, co_await offload(pool_, std::move(work)));
    CO_TRY(engine.embedding->submit(job));
    const StopToken stop = exchange.stop_token();
    while (!co_await job->done.wait(std::chrono::seconds(10), stop)) {
        if (stop.stop_requested()) {
            job->cancelled = true;
            co_return fail(cancelled("the client left"));
        }
    }
    if (job->error) co_return fail(*job->error);

    json::array data;
    std::size_t tokens = 0;
    for (std::size_t i = 0; i < job->vectors.size(); ++i) {
        tokens += job->inputs[i].size();
        json::object entry{{"object", "embedding"}, {"index", i}};
        if (base64) entry["embedding"] = base64_floats(job->vectors[i]);
        else entry["embedding"] = json::array(job->vectors[i].begin(), job->vectors[i].end());
        data.push_back(std::move(entry));
    }
    const json::object answer{{"object", "list"},
                              {"data", std::move(data)},
                              {"model", model_.name},
                              {"usage", json::object{{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
    co_return co_await exchange.respond(http::Response::json(200, json::serialize(answer)));
}

}  // namespace atrium::model
