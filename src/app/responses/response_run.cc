#include "app/responses/response_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "observability/log/log.h"
#include "security/crypto/crypto.h"

namespace atrium::app {
namespace {

constexpr std::chrono::minutes kLease{2};
constexpr std::chrono::seconds kLeaseRenewal{30};
constexpr int kRenewalsPerSweep = 10;

std::string_view media_type(std::string_view filename) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTypes{{{".pdf", "application/pdf"},
                                                                                          {".png", "image/png"},
                                                                                          {".jpg", "image/jpeg"},
                                                                                          {".jpeg", "image/jpeg"},
                                                                                          {".webp", "image/webp"},
                                                                                          {".gif", "image/gif"}}};
    const auto name = text::to_lower_ascii(filename);
    for (const auto& [ending, type] : kTypes) {
        if (name.ends_with(ending)) return type;
    }
    return "application/octet-stream";
}

json::object text_part(std::string_view filename, std::string_view bytes) {
    return {{"type", "text"},
            {"text", filename.empty() ? std::string(bytes) : fmt::format("{}\n\n{}", filename, bytes)}};
}

bool is_text(std::string_view bytes) {
    return text::is_utf8(bytes) && bytes.find('\0') == std::string_view::npos;
}

/// One JSON per line, as it is stored.
std::string to_lines(const std::vector<http::SseEvent>& events) {
    std::string lines;
    for (const auto& event : events) lines.append(event.data).append("\n");
    return lines;
}

}  // namespace

std::int64_t lease_end(const Clock& clock, std::chrono::milliseconds lease) {
    return unix_millis(clock.system()) + lease.count();
}

json::object file_part(const FileContent& file) {
    const auto type = media_type(file.filename);
    if (type == "application/octet-stream" && is_text(file.bytes)) return text_part(file.filename, file.bytes);
    const auto url = fmt::format("data:{};base64,{}", type, crypto::base64(file.bytes));
    if (type.starts_with("image/")) return {{"type", "image_url"}, {"image_url", {{"url", url}}}};
    return {{"type", "file"}, {"file", {{"filename", file.filename}, {"file_data", url}}}};
}

void inline_text(json::value& part) {
    const auto& file = part.at("file").as_object();
    const auto data = json::string_or(file, "file_data");
    if (!data.starts_with("data:text/")) return;
    const auto comma = data.find(";base64,");
    if (comma == std::string_view::npos) return;
    const auto bytes = crypto::base64_decode(data.substr(comma + 8));
    if (bytes && is_text(*bytes)) part = text_part(json::string_or(file, "filename"), *bytes);
}

Result<> check_fit(const ChatService& chat, const std::string& model, const json::array& messages) {
    TRY_ASSIGN(const auto info, chat.ready_model(model));
    if (info.owned_by != "atrium") return {};
    if (info.embedding)
        return fail(invalid_argument(fmt::format("The model '{}' makes embeddings and cannot answer.", info.id))
                        .with_field("model"));
    for (const auto& message : messages) {
        const auto* content = message.get_object().if_contains("content");
        if (content == nullptr || !content->is_array()) continue;
        for (const auto& part : content->get_array()) {
            if (json::string_or(part.get_object(), "type") == "text") continue;
            return fail(
                invalid_argument(
                    fmt::format("The model '{}' reads text only; images and files that are no text are not supported.",
                                info.id))
                    .with_field("input"));
        }
    }
    return {};
}

Task<Result<>> drop_event() {
    co_return Result<>{};
}

Result<> ResponseService::start(boost::asio::io_context& context) {
    context_ = &context;
    tasks_ = std::make_unique<TaskGroup>(context);
    tasks_->spawn(keep_leases(tasks_->token()));
    return {};
}

Task<> ResponseService::stop() {
    if (!tasks_) co_return;
    {
        std::scoped_lock lock(mutex_);
        stopping_ = true;
        for (auto& [id, run] : runs_) run->stop.request_stop();
    }
    tasks_->request_stop();
    co_await tasks_->join();
}

std::shared_ptr<ResponseService::Run> ResponseService::find_run(const std::string& project, const std::string& id) {
    std::scoped_lock lock(mutex_);
    const auto found = runs_.find(id);
    return found != runs_.end() && found->second->project == project ? found->second : nullptr;
}

Task<Result<std::shared_ptr<ResponseService::Run>>> ResponseService::launch(CallContext context,
                                                                            ResponseRequest request) {
    CO_TRY_ASSIGN(auto making, co_await prepare(std::move(context), std::move(request)));
    auto run = std::make_shared<Run>();
    run->id = json::string_or(making->builder.response(), "id");
    run->project = making->context.principal.project;
    // The caller may leave; the run listens to its own stop only.
    making->context.stop = run->stop.get_token();
    run->making = std::move(making);
    auto& builder = run->making->builder;
    run->append(builder.created(true), builder.response());
    {
        std::scoped_lock lock(mutex_);
        if (stopping_ || context_ == nullptr) co_return fail(unavailable("The server is shutting down; please retry."));
        if (runs_.size() >= kMaxBackground)
            co_return fail(resource_exhausted(
                fmt::format("{} background responses are running already; please retry later.", kMaxBackground)));
        runs_.emplace(run->id, run);
    }
    auto stored =
        co_await store_.insert(run->project, run->snapshot(), run->making->request.input, lease_end(clock_, kLease));
    if (!stored) {
        std::scoped_lock lock(mutex_);
        runs_.erase(run->id);
        co_return fail(stored.error());
    }
    spawn(*context_, adopt(run));
    co_return run;
}

/// On the thread of the TaskGroup, which may not be touched from others.
Task<> ResponseService::adopt(std::shared_ptr<Run> run) {
    tasks_->spawn(execute(std::move(run)));
    co_return;
}

Task<> ResponseService::execute(std::shared_ptr<Run> run) {
    auto* making = run->making.get();
    auto& builder = making->builder;
    CallOutcome outcome;
    const StopCallback forward(run->cancel.get_token(), [source = run->stop]() mutable { source.request_stop(); });
    run->append(builder.started(), builder.response());
    auto* to = run.get();
    const auto told = co_await relay(making, [to](const http::SseEvent& event) { return to->take(event); }, &outcome);
    ResponseBuilder::Events last;
    if (!told && run->cancel.stop_requested()) {
        last = builder.cancel();
    } else if (!told) {
        const bool stopped = told.error().code() == Code::kCancelled;
        last =
            builder.fail(stopped ? unavailable("The server was stopped while it made this response; please ask again.")
                                 : told.error());
    }
    run->append(std::move(last), builder.response());
    std::string events;
    if (making->request.stream) events = to_lines(run->events());
    if (auto kept = co_await keep(making, std::move(events)); !kept)
        log::warning("a background response could not be stored", {{"response", run->id}, {"error", kept.error()}});
    {
        std::scoped_lock lock(mutex_);
        runs_.erase(run->id);
    }
    run->end();
    if (options_.settle)
        options_.settle(making->context, outcome, told ? std::nullopt : std::optional<Error>(told.error()));
}

Task<> ResponseService::keep_leases(StopToken stop) {
    std::int64_t lost_before = options_.sole_owner ? born_ : 0;
    for (int round = 0; !stop.stop_requested(); ++round) {
        if (round % kRenewalsPerSweep == 0) {
            if (auto swept = co_await store_.sweep(lost_before); !swept)
                log::warning("old responses could not be swept", {{"error", swept.error()}});
            lost_before = 0;
        }
        std::vector<std::shared_ptr<Run>> running;
        {
            std::scoped_lock lock(mutex_);
            for (const auto& [id, run] : runs_) running.push_back(run);
        }
        for (const auto& run : running) {
            const auto kept = co_await store_.renew_lease(run->project, run->id, lease_end(clock_, kLease));
            // Cancelled or removed through another process.
            if (kept && !*kept) run->cancel.request_stop();
        }
        co_await sleep_for(kLeaseRenewal, stop);
    }
}

Task<Result<>> ResponseService::follow(std::string project, std::string id, std::int64_t starting_after, Sink sink,
                                       StopToken stop) {
    auto next = static_cast<std::size_t>(starting_after + 1);
    if (const auto run = find_run(project, id)) {
        while (true) {
            auto [events, ended, waiter] = run->from(next);
            for (const auto& event : events) CO_TRY(co_await sink(event));
            next += events.size();
            if (!events.empty()) continue;
            if (ended) co_return Result<>{};
            co_await waiter.wait(std::chrono::seconds(30), stop);
            if (stop.stop_requested()) co_return fail(cancelled("the client left"));
        }
    }
    CO_TRY_ASSIGN(const auto lines, co_await store_.events(project, id));
    if (lines.empty()) {
        CO_TRY_ASSIGN(const auto response, co_await store_.get(project, id));
        const bool streamed = response.contains("background") && response.at("background") == true;
        co_return fail(
            invalid_argument(
                streamed
                    ? "This response was not made as a stream or did not come to its end; retrieve it without 'stream'."
                    : "Only a response made with \"background\": true and \"stream\": true can be streamed again.")
                .with_field("stream"));
    }
    std::size_t number = 0;
    for (const auto line : text::split(lines, '\n')) {
        if (line.empty() || number++ < next) continue;
        CO_TRY_ASSIGN(const auto event, json::parse_object(line));
        CO_TRY(co_await sink({std::string(json::string_or(event, "type")), std::string(line)}));
    }
    co_return Result<>{};
}

Task<Result<json::object>> ResponseService::cancel(std::string project, std::string id) {
    if (const auto run = find_run(project, id)) {
        run->cancel.request_stop();
        while (!run->is_over()) {
            auto [events, ended, waiter] = run->from(SIZE_MAX);
            if (ended || !co_await waiter.wait(std::chrono::seconds(10))) break;
        }
        co_return run->snapshot();
    }
    CO_TRY_ASSIGN(const auto response, co_await store_.get(project, id));
    if (!response.contains("background") || response.at("background") != true)
        co_return fail(invalid_argument("Only a response made with \"background\": true can be cancelled.")
                           .with_field("response_id"));
    co_return co_await store_.cancel(std::move(project), std::move(id));
}

}  // namespace atrium::app
