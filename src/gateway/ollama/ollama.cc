#include <fmt/format.h>

#include <chrono>

#include "base/clock.h"
#include "gateway/model_calls.h"
#include "gateway/ollama/ollama_answer.h"
#include "gateway/ollama/ollama_request.h"
#include "gateway/ollama/ollama_routes.h"
#include "gateway/openai/requests.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

struct Parts {
    app::ChatService* chat;
    std::string version;
};

std::string rfc3339(std::chrono::nanoseconds since_epoch) {
    const auto time = std::chrono::sys_time<std::chrono::nanoseconds>(since_epoch);
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::microseconds>(time - day));
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", int(date.year()), unsigned(date.month()),
                       unsigned(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

std::string now() {
    return rfc3339(system_clock().system().time_since_epoch());
}

std::int64_t elapsed_ns(SteadyTime since) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(system_clock().steady() - since).count();
}

/// "gemma:latest" is how Ollama's clients call "gemma"; a name that exists as it is stays.
std::string known_name(const app::ChatService& chat, std::string name) {
    constexpr std::string_view kLatest = ":latest";
    if (!name.ends_with(kLatest) || chat.find_model(name)) return name;
    return name.substr(0, name.size() - kLatest.size());
}

/// One streamed answer on its way; lives in the frame of stream_answer.
struct Relay {
    Call& call;
    OllamaAnswer answer;

    Task<Result<>> pass(http::SseEvent event) {
        CO_TRY_ASSIGN(const auto lines, answer.feed(event.data, now()));
        for (const auto& line : lines) CO_TRY(co_await call.send_sse(json::serialize(line)));
        co_return Result<>{};
    }
};

Task<Result<>> stream_answer(Call& call, app::ChatService& chat, OllamaShape shape, std::string name,
                             app::ModelCall model_call) {
    const auto began = system_clock().steady();
    call.set_stream_format({.content_type = "application/x-ndjson", .keep_alive = {}, .lines = true});
    co_await call.expect_sse();
    Relay relay{call, OllamaAnswer(shape, std::move(name))};
    auto* to = &relay;
    CO_TRY(co_await chat.stream(
        std::move(model_call), [to](const http::SseEvent& event, model::Wire) { return to->pass(event); },
        &call.outcome));
    const auto prompt_ns = static_cast<std::int64_t>(call.outcome.first_token_seconds * 1e9);
    co_return co_await call.send_sse(json::serialize(relay.answer.end(now(), elapsed_ns(began), prompt_ns)));
}

Task<Result<>> answer(Call& call, app::ChatService& chat, OllamaShape shape, std::string name, OllamaRequest request) {
    if (request.empty) {
        // Asked to load the model: whatever is listed here is loaded, or fails above.
        auto line = OllamaAnswer(shape, std::move(name)).end(now(), 0, 0);
        line["done_reason"] = "load";
        co_return co_await call.respond_json(line);
    }
    const auto operation = request.body.contains("prompt") ? model::Operation::kCompletion : model::Operation::kChat;
    auto model_call = app::make_model_call(operation, call.context(), std::move(request.body));
    if (request.stream) co_return co_await stream_answer(call, chat, shape, std::move(name), std::move(model_call));
    const auto began = system_clock().steady();
    CO_TRY_ASSIGN(const auto whole, co_await chat.complete(std::move(model_call), &call.outcome));
    CO_TRY_ASSIGN(const auto told, OllamaAnswer(shape, std::move(name)).whole(whole.body, now(), elapsed_ns(began)));
    co_return co_await call.respond_json(told);
}

Task<Result<>> chat_or_generate(Call& call, app::ChatService& chat, OllamaShape shape) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    auto translated = shape == OllamaShape::kChat ? translate_ollama_chat(body) : translate_ollama_generate(body);
    if (!translated) co_return fail(translated.error());
    OllamaRequest request = std::move(*translated);
    const std::string asked = request.model;
    request.model = known_name(chat, asked);
    request.body["model"] = request.model;
    CO_TRY(check_chat_fit(chat, request.model, request.only_text, shape == OllamaShape::kChat ? "messages" : "images"));
    co_return co_await answer(call, chat, shape, asked, std::move(request));
}

template <class ModelInfo>
json::object details_of(const ModelInfo& info) {
    return {{"parent_model", ""},   {"format", info.owned_by == "atrium" ? "gguf" : ""},
            {"family", ""},         {"families", json::array{}},
            {"parameter_size", ""}, {"quantization_level", ""}};
}

template <class ModelInfo>
json::object listed(const ModelInfo& info) {
    return {{"name", info.id}, {"model", info.id}, {"modified_at", rfc3339(std::chrono::seconds(info.created))},
            {"size", 0},       {"digest", ""},     {"details", details_of(info)}};
}

Task<Result<>> tags(Call& call, app::ChatService& chat) {
    json::array models;
    for (const auto& info : chat.models()) models.emplace_back(listed(info));
    co_return co_await call.respond_json(json::object{{"models", std::move(models)}});
}

/// What is loaded: the local models that are ready. They stay, which Ollama says with a time far away.
Task<Result<>> running(Call& call, app::ChatService& chat) {
    json::array models;
    for (const auto& info : chat.models()) {
        if (info.owned_by != "atrium" || !info.ready) continue;
        auto row = listed(info);
        row.erase("modified_at");
        row["expires_at"] = "2318-01-01T00:00:00Z";
        row["size_vram"] = 0;
        row["context_length"] = info.context_length;
        models.emplace_back(std::move(row));
    }
    co_return co_await call.respond_json(json::object{{"models", std::move(models)}});
}

Task<Result<>> show(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto name, reader.has("model") ? check_model(reader) : reader.required_string("name"));
    CO_TRY_ASSIGN(const auto info, chat.find_model(known_name(chat, name)));
    json::array capabilities{info.embedding ? "embedding" : "completion"};
    if (!info.embedding) capabilities.emplace_back("tools");
    json::object model_info{{"general.basename", info.id}};
    if (info.context_length > 0) model_info["general.context_length"] = info.context_length;
    if (info.embedding_dimensions > 0) model_info["general.embedding_length"] = info.embedding_dimensions;
    co_return co_await call.respond_json(json::object{{"modelfile", fmt::format("FROM {}", info.id)},
                                                      {"parameters", ""},
                                                      {"template", ""},
                                                      {"details", details_of(info)},
                                                      {"model_info", std::move(model_info)},
                                                      {"capabilities", std::move(capabilities)},
                                                      {"modified_at", rfc3339(std::chrono::seconds(info.created))}});
}

/// The vectors of an embedding call, in the order of its inputs.
Result<json::array> vectors_of(std::string_view answer) {
    TRY_ASSIGN(auto body, json::parse_object(answer));
    json::array made;
    if (auto* data = body.if_contains("data"); data != nullptr && data->is_array()) {
        for (auto& item : data->get_array()) {
            auto* vector = item.is_object() ? item.get_object().if_contains("embedding") : nullptr;
            if (vector != nullptr && vector->is_array()) made.push_back(std::move(*vector));
        }
    }
    if (made.empty()) return fail(unavailable("the model gave an unusable answer to an embedding call"));
    return made;
}

Task<Result<json::array>> embed(Call& call, app::ChatService& chat, const std::string& model, json::value input) {
    json::object body{{"model", known_name(chat, model)}, {"input", std::move(input)}, {"encoding_format", "float"}};
    CO_TRY(validate_embedding(body));
    CO_TRY_ASSIGN(const auto info, chat.ready_model(json::string_or(body, "model")));
    if (info.owned_by == "atrium" && !info.embedding)
        co_return fail(invalid_argument(fmt::format("The model '{}' is a chat model and makes no embeddings.", info.id))
                           .with_field("model"));
    CO_TRY_ASSIGN(const auto answer, co_await chat.complete(app::make_model_call(model::Operation::kEmbedding,
                                                                                 call.context(), std::move(body)),
                                                            &call.outcome));
    co_return vectors_of(answer.body);
}

Task<Result<>> embed_many(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto model, check_model(reader));
    if (!reader.has("input")) co_return refuse("input", "is required and must be a string or an array of strings");
    const auto began = system_clock().steady();
    CO_TRY_ASSIGN(auto vectors, co_await embed(call, chat, model, *reader.find("input")));
    co_return co_await call.respond_json(json::object{{"model", model},
                                                      {"embeddings", std::move(vectors)},
                                                      {"total_duration", elapsed_ns(began)},
                                                      {"load_duration", 0},
                                                      {"prompt_eval_count", call.outcome.usage.prompt_tokens}});
}

Task<Result<>> embed_one(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto model, check_model(reader));
    CO_TRY_ASSIGN(const auto prompt, reader.required_string("prompt"));
    CO_TRY_ASSIGN(auto vectors, co_await embed(call, chat, model, json::value(prompt)));
    co_return co_await call.respond_json(json::object{{"embedding", std::move(vectors[0])}});
}

Task<Result<>> refuse_management(std::string action) {
    co_return fail(unimplemented(fmt::format(
        "Models are not {} through Ollama's API here; an administrator uses the 'atrium' command (pull, rm, cp).",
        action)));
}

}  // namespace

void add_ollama_routes(RouteTable& routes, app::ChatService& service, std::string version) {
    auto* chat = &service;
    const auto add = [&routes](http::Method method, const char* pattern, const char* summary, RouteHandler handler) {
        routes.add({.method = method,
                    .pattern = pattern,
                    .dialect = Dialect::kOllama,
                    .tag = "ollama",
                    .summary = summary,
                    .handler = std::move(handler)});
    };
    using enum http::Method;
    add(kPost, "/api/chat", "Answer a conversation; streams JSON lines by default",
        [chat](Call& call) { return chat_or_generate(call, *chat, OllamaShape::kChat); });
    add(kPost, "/api/generate", "Answer a prompt; streams JSON lines by default",
        [chat](Call& call) { return chat_or_generate(call, *chat, OllamaShape::kGenerate); });
    add(kGet, "/api/tags", "List the models", [chat](Call& call) { return tags(call, *chat); });
    add(kGet, "/api/ps", "List the loaded models", [chat](Call& call) { return running(call, *chat); });
    add(kPost, "/api/show", "One model", [chat](Call& call) { return show(call, *chat); });
    add(kPost, "/api/embed", "Vectors for texts", [chat](Call& call) { return embed_many(call, *chat); });
    add(kPost, "/api/embeddings", "The vector of one text", [chat](Call& call) { return embed_one(call, *chat); });
    add(kGet, "/api/version", "The server's version",
        [version](Call& call) { return call.respond_json(json::object{{"version", version}}); });
    add(kPost, "/api/pull", "Not supported", [](Call&) { return refuse_management("pulled"); });
    add(kPost, "/api/push", "Not supported", [](Call&) { return refuse_management("pushed"); });
    add(kPost, "/api/create", "Not supported", [](Call&) { return refuse_management("created"); });
    add(kPost, "/api/copy", "Not supported", [](Call&) { return refuse_management("copied"); });
    add(kDelete, "/api/delete", "Not supported", [](Call&) { return refuse_management("deleted"); });
}

}  // namespace atrium::gateway
