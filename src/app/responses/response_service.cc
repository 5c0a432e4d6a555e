#include "app/responses/response_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/responses/items.h"
#include "app/responses/response_run.h"
#include "base/id.h"
#include "observability/log/log.h"

namespace atrium::app {
namespace {

constexpr std::chrono::minutes kLease{2};
constexpr int kMaxTruncations = 8;

json::object new_response(const ResponseRequest& request, const Clock& clock) {
    json::object response{
        {"id", new_id("resp_")},         {"object", "response"},    {"created_at", unix_seconds(clock.system())},
        {"status", "in_progress"},       {"completed_at", nullptr}, {"error", nullptr},
        {"incomplete_details", nullptr}};
    for (const auto& [key, value] : request.echo) response[key] = value;
    return response;
}

bool is_too_long(const Error& error) {
    return error.reason() == "context_length_exceeded";
}

/// Leaves out the older half of the conversation, up to the beginning of a user's turn, so that no answer of a tool
/// loses its call. False when there is nothing left to leave out.
bool drop_oldest(json::array& messages) {
    const auto is_role = [](const json::value& message, std::string_view role) {
        return json::string_or(message.get_object(), "role") == role;
    };
    std::size_t first = 0;
    while (first < messages.size() && is_role(messages[first], "system")) ++first;
    std::size_t cut = first + std::max<std::size_t>(1, (messages.size() - first) / 2);
    while (cut < messages.size() && !is_role(messages[cut], "user")) ++cut;
    if (cut >= messages.size()) return false;
    messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(first),
                   messages.begin() + static_cast<std::ptrdiff_t>(cut));
    return true;
}

}  // namespace

ResponseService::ResponseService(sql::Database& database, ChatService& chat, const Clock& clock, Options options)
    : database_(database),
      chat_(chat),
      clock_(clock),
      options_(std::move(options)),
      born_(unix_millis(clock.system())),
      store_(database, clock),
      conversations_(database, clock) {}

ResponseService::~ResponseService() = default;

Task<Result<json::array>> ResponseService::gather(const CallContext& context, ResponseRequest& request) {
    json::array items;
    const std::string project = context.principal.project;
    if (!request.previous_response_id.empty()) {
        CO_TRY_ASSIGN(items, co_await store_.context(project, request.previous_response_id));
    } else if (!request.conversation.empty()) {
        CO_TRY_ASSIGN(items, co_await conversations_.items(project, request.conversation));
    }
    for (auto& item : request.input) {
        if (json::string_or(item.get_object(), "type") == "item_reference") {
            CO_TRY_ASSIGN(auto found,
                          co_await store_.item(project, std::string(json::string_or(item.get_object(), "id"))));
            item = std::move(found);
        }
        items.push_back(item);
    }
    co_return items;
}

Task<Result<>> ResponseService::inline_files(const CallContext& context, json::array& messages) {
    if (!options_.read_file) co_return Result<>{};
    std::size_t left = kMaxInlineBytes;
    for (auto& message : messages) {
        auto* content = message.get_object().if_contains("content");
        if (content == nullptr || !content->is_array()) continue;
        for (auto& part : content->get_array()) {
            auto* file = part.get_object().if_contains("file");
            const std::string id(file != nullptr ? json::string_or(file->get_object(), "file_id") : "");
            if (!id.empty()) {
                CO_TRY_ASSIGN(const auto read, co_await options_.read_file(context.principal.project, id, left));
                left -= std::min(left, read.bytes.size());
                part = file_part(read);
            } else if (file != nullptr) {
                inline_text(part);
            }
        }
    }
    co_return Result<>{};
}

Task<Result<std::shared_ptr<ResponseService::Making>>> ResponseService::prepare(CallContext context,
                                                                                ResponseRequest request) {
    CO_TRY_ASSIGN(auto items, co_await gather(context, request));
    ChatTranscript transcript;
    transcript.add_instructions(request.instructions);
    for (const auto& item : items) transcript.add(item.get_object());
    auto messages = std::move(transcript).finish();
    if (messages.empty()) co_return fail(invalid_argument("'input' must have at least one item").with_field("input"));
    CO_TRY(co_await inline_files(context, messages));
    CO_TRY(check_fit(chat_, request.model, messages));
    if (request.store && json::serialize(request.input).size() > kMaxStoredInput) {
        co_return fail(
            out_of_range(fmt::format("'input' has more than {} bytes and cannot be stored; send \"store\": false.",
                                     kMaxStoredInput))
                .with_field("input"));
    }
    ResponseBuilder::Options options{.custom_tools = request.custom_tools,
                                     .encrypted_reasoning = request.encrypted_reasoning};
    auto making = std::make_shared<Making>(ResponseBuilder(new_response(request, clock_), std::move(options), clock_));
    making->body = request.settings;
    making->body["model"] = request.model;
    making->body["messages"] = std::move(messages);
    making->context = std::move(context);
    making->request = std::move(request);
    co_return making;
}

/// One attempt: the answer's events go to `sink`.
Task<Result<>> ResponseService::relay_once(Making* making, Sink sink, CallOutcome* progress) {
    if (!making->request.stream) {
        CO_TRY_ASSIGN(
            const auto answer,
            co_await chat_.complete(make_model_call(model::Operation::kChat, making->context, making->body), progress));
        CO_TRY_ASSIGN(const auto events, making->builder.feed_completion(answer.body));
        for (const auto& event : events) CO_TRY(co_await sink(event));
        co_return Result<>{};
    }
    auto body = making->body;
    body["stream_options"] = {{"include_usage", true}};
    ChunkToEvents relay{making->builder, sink};
    auto* to = &relay;
    CO_TRY(co_await chat_.stream(
        make_model_call(model::Operation::kChat, making->context, std::move(body)),
        [to](const http::SseEvent& event, model::Wire) { return to->pass(event.data); }, progress));
    co_return Result<>{};
}

Task<Result<>> ResponseService::relay(Making* making, Sink sink, CallOutcome* progress) {
    auto done = co_await relay_once(making, sink, progress);
    for (int i = 0; !done && making->request.truncate && is_too_long(done.error()) && i < kMaxTruncations; ++i) {
        if (!drop_oldest(making->body["messages"].get_array())) break;
        done = co_await relay_once(making, sink, progress);
    }
    co_return done;
}

/// Stores the end of a response and adds to its conversation.
Task<Result<>> ResponseService::keep(Making* making, std::string events) {
    const auto& request = making->request;
    const std::string project = making->context.principal.project;
    if (request.store) {
        CO_TRY_ASSIGN(const bool stored,
                      co_await store_.finish(project, making->builder.response(), std::move(events)));
        if (!stored) co_return Result<>{};
    }
    const auto status = json::string_or(making->builder.response(), "status");
    if (request.conversation.empty() || (status != "completed" && status != "incomplete")) co_return Result<>{};
    json::array items = request.input;
    for (const auto& item : making->builder.output()) items.push_back(item);
    co_return co_await conversations_.append(project, request.conversation, std::move(items));
}

/// The same for one whose row is not there yet: foreground responses touch the database once, at their end.
Task<Result<>> ResponseService::keep_new(Making* making) {
    if (making->request.store) {
        auto begun = making->builder.response();
        begun["status"] = "in_progress";
        CO_TRY(co_await store_.insert(making->context.principal.project, std::move(begun), making->request.input,
                                      lease_end(clock_, kLease)));
    }
    co_return co_await keep(making, {});
}

Task<Result<json::object>> ResponseService::create(CallContext context, ResponseRequest request,
                                                   CallOutcome* progress) {
    if (request.background) {
        CO_TRY_ASSIGN(const auto run, co_await launch(std::move(context), std::move(request)));
        co_return run->snapshot();
    }
    CO_TRY_ASSIGN(const auto making, co_await prepare(std::move(context), std::move(request)));
    making->builder.created();
    making->builder.started();
    CO_TRY(co_await relay(making.get(), [](const http::SseEvent&) { return drop_event(); }, progress));
    CO_TRY(co_await keep_new(making.get()));
    co_return making->builder.response();
}

Task<Result<>> ResponseService::stream(CallContext context, ResponseRequest request, Sink sink, CallOutcome* progress) {
    if (request.background) {
        const std::string project = context.principal.project;
        const auto stop = context.stop;
        CO_TRY_ASSIGN(const auto run, co_await launch(std::move(context), std::move(request)));
        co_return co_await follow(project, run->id, -1, std::move(sink), stop);
    }
    CO_TRY_ASSIGN(const auto making, co_await prepare(std::move(context), std::move(request)));
    auto& builder = making->builder;
    // The first events wait for the model's first sign, so that an early failure still has a status of its own.
    auto first = builder.created();
    for (auto& event : builder.started()) first.push_back(std::move(event));
    StreamEnds ends{builder, sink, std::move(first)};
    auto* to = &ends;
    const auto told =
        co_await relay(making.get(), [to](const http::SseEvent& event) { return to->pass(event); }, progress);
    if (!told && !ends.begun) co_return fail(told.error());
    const bool gone = !told && told.error().code() == Code::kCancelled;
    ResponseBuilder::Events last;
    if (gone) builder.cancel();
    if (!told && !gone) last = builder.fail(told.error());
    if (auto kept = co_await keep_new(making.get()); !kept) {
        log::warning("a response could not be stored",
                     {{"response", std::string(json::string_or(builder.response(), "id"))}, {"error", kept.error()}});
    }
    if (gone) co_return fail(told.error());
    for (const auto& event : last) CO_TRY(co_await sink(event));
    co_return co_await ends.finish();
}

Task<Result<json::object>> ResponseService::chat_body(CallContext context, ResponseRequest request) {
    request.store = false;
    CO_TRY_ASSIGN(const auto making, co_await prepare(std::move(context), std::move(request)));
    co_return std::move(making->body);
}

Task<Result<json::object>> ResponseService::get(std::string project, std::string id) {
    if (const auto run = find_run(project, id)) co_return run->snapshot();
    co_return co_await store_.get(std::move(project), std::move(id));
}

Task<Result<>> ResponseService::remove(std::string project, std::string id) {
    if (const auto run = find_run(project, id)) run->cancel.request_stop();
    co_return co_await store_.remove(std::move(project), std::move(id));
}

Task<Result<json::object>> ResponseService::input_items(std::string project, std::string id, ItemPaging paging) {
    co_return co_await store_.input_items(std::move(project), std::move(id), std::move(paging));
}

}  // namespace atrium::app
