#include <fmt/format.h>

#include <iostream>
#include <iterator>
#include <unistd.h>

#include "main/cli/api_client.h"
#include "main/cli/lookup.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"

namespace atrium::cli {
namespace {

/// The text of one chat chunk; an error event ends the stream with its message.
Result<std::string> delta_text(const json::object& chunk) {
    if (const json::value* error = chunk.if_contains("error"); error && error->is_object()) {
        return fail(unknown_error(std::string(json::string_or(error->get_object(), "message", "the stream broke off"))));
    }
    const json::value* choices = chunk.if_contains("choices");
    if (!choices || !choices->is_array() || choices->get_array().empty()) return std::string();
    const json::value* delta = choices->get_array()[0].as_object().if_contains("delta");
    return delta && delta->is_object() ? std::string(json::string_or(delta->get_object(), "content")) : std::string();
}

struct Conversation {
    ApiClient& client;
    std::string model;
    int max_tokens;
    json::array messages;

    Result<> say(const std::string& text) {
        messages.push_back(json::object{{"role", "user"}, {"content", text}});
        json::object body{{"model", model}, {"messages", messages}, {"stream", true}};
        if (max_tokens > 0) body["max_tokens"] = max_tokens;
        std::string answer;
        TRY(client.stream("/v1/chat/completions", body, [&](const http::SseEvent& event) -> Result<> {
            if (event.data == "[DONE]") return {};
            TRY_ASSIGN(const json::object chunk, json::parse_object(event.data));
            TRY_ASSIGN(const std::string piece, delta_text(chunk));
            print_raw(piece);
            answer += piece;
            return {};
        }));
        print_raw("\n");
        messages.push_back(json::object{{"role", "assistant"}, {"content", answer}});
        return {};
    }
};

Result<std::string> first_chat_model(ApiClient& client) {
    TRY_ASSIGN(const json::object status, client.get("/atrium/v1/status"));
    const std::string_view model = json::string_or(status, "default_chat_model");
    if (model.empty()) return fail(unavailable(std::string(tr("no chat model is ready; see: atrium list", "没有可用的对话模型,请查看:atrium list"))));
    return std::string(model);
}

void print_sources(const json::object& answer) {
    const json::value* citations = answer.if_contains("citations");
    if (!citations || !citations->is_array() || citations->get_array().empty()) return;
    print("");
    for (const json::value& entry : citations->get_array()) {
        const json::object& citation = entry.as_object();
        const json::value* page = citation.if_contains("page");
        const std::string where = page && page->is_int64() && page->get_int64() > 0
                                      ? fmt::format("{}, {} {}", json::string_or(citation, "filename"), tr("page", "第"), page->get_int64())
                                      : std::string(json::string_or(citation, "filename"));
        const json::value* marker = citation.if_contains("marker");
        print(fmt::format("{} {}", bold(fmt::format("[{}]", marker && marker->is_int64() ? marker->get_int64() : 0)), where));
        print(dim(fmt::format("    “{}”", json::string_or(citation, "quote"))));
    }
}

}  // namespace

int chat(const Common& common, const std::string& model, const std::string& prompt, const std::string& system, int max_tokens) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    Conversation conversation{*client, model, max_tokens, {}};
    if (model.empty()) {
        const Result<std::string> found = first_chat_model(*client);
        if (!found) return report(found.error());
        conversation.model = *found;
    }
    if (!system.empty()) conversation.messages.push_back(json::object{{"role", "system"}, {"content", system}});
    std::string text = prompt;
    if (text.empty() && isatty(STDIN_FILENO) == 0) text.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (!text.empty()) {
        const Result<> said = conversation.say(text);
        return said ? kOk : report(said.error());
    }
    print(dim(fmt::format("{} — {}", conversation.model, tr("empty line or Ctrl-D ends", "空行或 Ctrl-D 结束"))));
    while (true) {
        print_raw(bold("> "));
        if (!std::getline(std::cin, text) || text.empty()) return kOk;
        const Result<> said = conversation.say(text);
        if (!said) return report(said.error());
    }
}

int ask(const Common& common, const std::string& base, const std::string& question) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const Result<std::string> id = find_knowledge_base(*client, base);
    if (!id) return report(id.error());
    json::object answer;
    const Result<> asked = client->stream(
        fmt::format("/atrium/v1/knowledge/{}/ask", *id), {{"question", question}, {"stream", true}}, [&](const http::SseEvent& event) -> Result<> {
            TRY_ASSIGN(json::object data, json::parse_object(event.data));
            if (event.event == "error") {
                const json::value* error = data.if_contains("error");
                return fail(unknown_error(std::string(error && error->is_object() ? json::string_or(error->get_object(), "message", "?") : "?")));
            }
            if (event.event == "delta" && !common.json) print_raw(json::string_or(data, "text"));
            if (event.event == "done") answer = std::move(data);
            return {};
        });
    if (!asked) return report(asked.error());
    if (common.json) {
        print(json::serialize(answer));
        return kOk;
    }
    print_raw("\n");
    print_sources(answer);
    return kOk;
}

int search(const Common& common, const std::string& base, const std::string& query, int limit) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const Result<std::string> id = find_knowledge_base(*client, base);
    if (!id) return report(id.error());
    const auto found = client->post(fmt::format("/v1/vector_stores/{}/search", *id), {{"query", query}, {"max_num_results", limit}});
    if (!found) return report(found.error());
    if (common.json) {
        print(json::serialize(*found));
        return kOk;
    }
    for (const json::value& entry : found->at("data").as_array()) {
        const json::object& hit = entry.as_object();
        print(fmt::format("{:.3f}  {}", hit.at("score").to_number<double>(), bold(json::string_or(hit, "filename"))));
        for (const json::value& part : hit.at("content").as_array()) print(dim(std::string("       ") + std::string(json::string_or(part.as_object(), "text"))));
    }
    return kOk;
}

}  // namespace atrium::cli
