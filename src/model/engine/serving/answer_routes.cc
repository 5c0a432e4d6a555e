#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "model/engine/serving/engine_server.h"

// /v1/chat/completions and /v1/completions.
namespace atrium::model {
namespace {

constexpr std::chrono::milliseconds kMaxDeadline{24 * 3600 * 1000};

/// Whatever way a handler ends, nobody computes for it any longer. Ids that have ended by themselves are ignored.
class CancelAtExit {
public:
    CancelAtExit(BatchLoop& loop, std::vector<RequestId> ids) : loop_(loop), ids_(std::move(ids)) {}
    ~CancelAtExit() { loop_.cancel(ids_); }
    CancelAtExit(const CancelAtExit&) = delete;
    CancelAtExit& operator=(const CancelAtExit&) = delete;

private:
    BatchLoop& loop_;
    std::vector<RequestId> ids_;
};

struct PreparedChat {
    ChatPrompt prompt;
    std::vector<Token> tokens;
};

Result<std::vector<Token>> checked_tokens(const Backend& backend, std::vector<Token> tokens, std::string_view field) {
    if (tokens.empty()) return fail(invalid_argument(fmt::format("'{}' must not be empty", field)).with_field(std::string(field)));
    for (const Token token : tokens) {
        if (token < 0 || token >= backend.facts().vocabulary) {
            return fail(invalid_argument(fmt::format("'{}' holds token {}, but the model has {} tokens", field, token,
                                                     backend.facts().vocabulary)).with_field(std::string(field)));
        }
    }
    return tokens;
}

}  // namespace

GenerationRequest EngineServer::base_request(const http::Exchange& exchange, const AnswerOptions& options) const {
    GenerationRequest request;
    const http::Headers& headers = exchange.head().headers;
    request.tenant = std::string(headers.get("x-atrium-tenant").value_or("")) + '\0' + options.tenant;
    request.sampling = options.sampling;
    request.stop = options.stop;
    request.logprobs = options.logprobs;
    const SteadyTime now = clock_.steady();
    request.start_by = now + model_.queue_timeout;
    if (const auto header = headers.get("x-atrium-deadline-ms")) {
        const auto milliseconds = text::to_int(*header);
        if (milliseconds && *milliseconds > 0) request.finish_by = now + std::min(std::chrono::milliseconds(*milliseconds), kMaxDeadline);
    }
    return request;
}

Result<int> EngineServer::answer_limit(const LoadedEngine& engine, std::size_t prompt_tokens, std::optional<int> wanted,
                                       std::string_view field) const {
    const BackendFacts& facts = engine.backend->facts();
    const int limit = std::min(facts.context, facts.context_train);
    const auto prompt = static_cast<std::int64_t>(prompt_tokens);
    if (prompt >= limit) {
        return fail(invalid_argument(fmt::format("This model's maximum context length is {} tokens. However, your {} resulted in {} tokens. "
                                                 "Please reduce the length of the {}.", limit, field, prompt, field))
                        .with_field(std::string(field)).with_reason("context_length_exceeded"));
    }
    const auto room = static_cast<int>(limit - prompt);
    if (!wanted) return room;
    if (*wanted > room) {
        return fail(invalid_argument(fmt::format("This model's maximum context length is {} tokens. However, you requested {} tokens "
                                                 "({} in the {}, {} in the completion). Please reduce the length of the {} or "
                                                 "completion.", limit, prompt + *wanted, prompt, field, *wanted, field))
                        .with_field(std::string(field)).with_reason("context_length_exceeded"));
    }
    return *wanted;
}

Task<Result<>> EngineServer::chat(http::Exchange& exchange) {
    CO_TRY_ASSIGN(const json::object body, co_await read_json(exchange));
    CO_TRY_ASSIGN(ChatBody chat, parse_chat(body, model_.defaults));
    CO_TRY_ASSIGN(const LoadedEngine engine, loaded(false));
    const Backend* backend = engine.backend;
    auto work = [backend, input = std::move(chat.input)]() -> Result<PreparedChat> {
        PreparedChat prepared;
        TRY_ASSIGN(prepared.prompt, backend->chat().render(input));
        TRY_ASSIGN(prepared.tokens, backend->tokenizer().tokenize(prepared.prompt.text, true, true));
        TRY_ASSIGN(prepared.tokens, checked_tokens(*backend, std::move(prepared.tokens), "messages"));
        return prepared;
    };
    CO_TRY_ASSIGN(PreparedChat prepared, co_await offload(pool_, std::move(work)));
    CO_TRY_ASSIGN(const int max_new, answer_limit(engine, prepared.tokens.size(), chat.options.max_tokens, "messages"));

    GenerationRequest request = base_request(exchange, chat.options);
    request.max_new = max_new;
    request.preserved = prepared.prompt.preserved;
    if (!prepared.prompt.grammar.text.empty()) request.sampling.grammar = prepared.prompt.grammar;
    for (std::string& stop : prepared.prompt.stop) request.stop.push_back(std::move(stop));
    request.prompt = std::move(prepared.tokens);

    Answer::Options shape;
    shape.shape = AnswerShape::kChat;
    shape.identity = {new_id("chatcmpl-"), {}, unix_seconds(clock_.system()), model_.name};
    shape.stream = chat.options.stream;
    shape.include_usage = chat.options.include_usage;
    shape.logprobs = chat.options.logprobs >= 0;
    shape.choices = chat.options.choices;
    shape.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
    shape.parser = prepared.prompt.parser;

    std::vector<GenerationRequest> requests;
    for (int i = 0; i < chat.options.choices; ++i) {
        requests.push_back(request);
        requests.back().choice = i;
        requests.back().reports_reuse = i == 0;
        requests.back().sampling.seed += static_cast<std::uint32_t>(i);
    }
    co_return co_await generate(exchange, *engine.text, std::move(requests), std::move(shape));
}

Task<Result<>> EngineServer::completion(http::Exchange& exchange) {
    CO_TRY_ASSIGN(const json::object body, co_await read_json(exchange));
    CO_TRY_ASSIGN(CompletionBody completion, parse_completion(body, model_.defaults));
    CO_TRY_ASSIGN(const LoadedEngine engine, loaded(false));
    const Backend* backend = engine.backend;
    AnswerOptions& options = completion.options;
    auto work = [backend, prompts = completion.prompts, schema = options.json_schema]() -> Result<std::pair<std::vector<std::vector<Token>>, std::string>> {
        std::pair<std::vector<std::vector<Token>>, std::string> out;
        for (const TextOrTokens& prompt : prompts) {
            std::vector<Token> tokens;
            if (const auto* text = std::get_if<std::string>(&prompt)) {
                TRY_ASSIGN(tokens, backend->tokenizer().tokenize(*text, true, true));
            } else {
                tokens = std::get<std::vector<Token>>(prompt);
            }
            TRY_ASSIGN(tokens, checked_tokens(*backend, std::move(tokens), "prompt"));
            out.first.push_back(std::move(tokens));
        }
        if (!schema.empty()) {
            TRY_ASSIGN(out.second, backend->chat().grammar_from_schema(schema));
        }
        return out;
    };
    CO_TRY_ASSIGN(auto prepared, co_await offload(pool_, std::move(work)));
    auto& [prompts, grammar] = prepared;

    Answer::Options shape;
    shape.shape = AnswerShape::kCompletion;
    shape.identity = {new_id("cmpl-"), {}, unix_seconds(clock_.system()), model_.name};
    shape.stream = options.stream;
    shape.include_usage = options.include_usage;
    shape.logprobs = options.logprobs >= 0;
    shape.choices = static_cast<int>(prompts.size()) * options.choices;

    GenerationRequest base = base_request(exchange, options);
    if (!grammar.empty()) base.sampling.grammar.text = grammar;
    std::vector<GenerationRequest> requests;
    for (std::size_t p = 0; p < prompts.size(); ++p) {
        CO_TRY_ASSIGN(base.max_new, answer_limit(engine, prompts[p].size(), options.max_tokens, "prompt"));
        base.prompt = prompts[p];
        shape.prompt_tokens += static_cast<std::int64_t>(prompts[p].size());
        std::string echo;
        if (completion.echo) {
            if (const auto* text = std::get_if<std::string>(&completion.prompts[p])) echo = *text;
            else for (const Token token : prompts[p]) echo += backend->tokenizer().piece(token, false);
        }
        for (int i = 0; i < options.choices; ++i) {
            GenerationRequest& request = requests.emplace_back(base);
            request.choice = static_cast<int>(requests.size()) - 1;
            request.reports_reuse = i == 0;
            request.sampling.seed += static_cast<std::uint32_t>(i);
            if (completion.echo) shape.echo.push_back(text::to_valid_utf8(echo));
        }
    }
    co_return co_await generate(exchange, *engine.text, std::move(requests), std::move(shape));
}

Task<Result<>> EngineServer::generate(http::Exchange& exchange, BatchLoop& loop, std::vector<GenerationRequest> requests,
                                      Answer::Options shape) {
    const bool stream = shape.stream;
    Answer answer(std::move(shape));
    const auto out = std::make_shared<TokenStream>();
    for (GenerationRequest& request : requests) request.out = out;
    CO_TRY_ASSIGN(std::vector<RequestId> ids, loop.submit(std::move(requests)));
    const CancelAtExit cancel(loop, std::move(ids));

    const StopToken stop = exchange.stop_token();
    while (!answer.complete()) {
        const std::vector<AnswerPart> parts = co_await out->next(std::chrono::seconds(10), stop);
        if (stop.stop_requested()) co_return fail(cancelled("the client left"));
        answer.set_cached_tokens(out->reused());
        const std::string events = answer.add(parts);
        if (answer.error() && !exchange.response_started()) co_return fail(*answer.error());
        if (!stream) continue;
        if (!exchange.response_started() && !parts.empty()) {
            http::ResponseHead head;
            head.headers.set("Content-Type", "text/event-stream; charset=utf-8");
            head.headers.set("Cache-Control", "no-cache");
            CO_TRY(co_await exchange.start(std::move(head)));
        }
        if (!events.empty()) CO_TRY(co_await exchange.write(events));
        if (answer.error()) {
            CO_TRY(co_await exchange.write(sse_data(error_json(*answer.error()))));
            co_return co_await exchange.finish();
        }
    }
    if (!stream) co_return co_await exchange.respond(http::Response::json(200, json::serialize(answer.whole())));
    CO_TRY(co_await exchange.write(answer.end_of_stream()));
    co_return co_await exchange.finish();
}

}  // namespace atrium::model
