#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "app/chat/chat_service.h"
#include "app/responses/conversation_store.h"
#include "app/responses/response_builder.h"
#include "app/responses/response_request.h"
#include "app/responses/response_store.h"
#include "base/clock.h"
#include "platform/async/runtime.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// A stored file for a model to read.
struct FileContent {
    std::string filename;
    std::string bytes;
};

/// OpenAI's Responses: one call makes items out of items, remembers both, and may run without its caller.
///
/// Thread-safe; owned by main. Foreground responses run on the caller's io thread; background ones in a TaskGroup of
/// the io thread given to start(), at most kMaxBackground at once in this process (kResourceExhausted beyond). Their
/// events are kept in memory while they run (bounded by the size of a response) and in their row afterwards. A response
/// that was running when its process died is "failed" from the next start on (SQLite), or when its lease has run out.
class ResponseService {
public:
    static constexpr std::size_t kMaxBackground = 64;
    static constexpr std::size_t kMaxStoredInput = 8u << 20;

    struct Options {
        /// Reads a file of a project, at most `limit` bytes; kNotFound. Empty: file ids go to the upstream as they are.
        std::function<Task<Result<FileContent>>(std::string project, std::string file_id, std::size_t limit)> read_file;
        /// Called when a background call has ended, because no request settles it.
        std::function<void(const CallContext&, const CallOutcome&, const std::optional<Error>&)> settle;
        bool sole_owner = true;  ///< no other process shares the database: what is unfinished at start is lost
    };
    using Sink = std::function<Task<Result<>>(const http::SseEvent& event)>;

    ResponseService(sql::Database& database, ChatService& chat, const Clock& clock, Options options);
    ~ResponseService();

    /// Fails what the last process left unfinished; then background responses may begin.
    Result<> start(boost::asio::io_context& context);
    /// Cancels background responses ("failed", the reason says so) and waits for them.
    Task<> stop();

    /// The whole response; "queued" at once when it is a background one.
    Task<Result<json::object>> create(CallContext context, ResponseRequest request, CallOutcome* progress);
    /// With events. An error after the first event is told as response.failed and returned as success.
    Task<Result<>> stream(CallContext context, ResponseRequest request, Sink sink, CallOutcome* progress);
    /// The chat body that the request would make: for counting its tokens.
    Task<Result<json::object>> chat_body(CallContext context, ResponseRequest request);

    Task<Result<json::object>> get(std::string project, std::string id);
    /// The events of a background response after `starting_after`, then what follows until its end.
    Task<Result<>> follow(std::string project, std::string id, std::int64_t starting_after, Sink sink, StopToken stop);
    Task<Result<>> remove(std::string project, std::string id);
    Task<Result<json::object>> cancel(std::string project, std::string id);
    Task<Result<json::object>> input_items(std::string project, std::string id, ItemPaging paging);
    ConversationStore& conversations() { return conversations_; }

private:
    struct Making;
    struct Run;

    Task<Result<std::shared_ptr<Making>>> prepare(CallContext context, ResponseRequest request);
    Task<Result<json::array>> gather(const CallContext& context, ResponseRequest& request);
    Task<Result<>> inline_files(const CallContext& context, json::array& messages);
    Task<Result<>> relay(Making* making, Sink sink, CallOutcome* progress);
    Task<Result<>> relay_once(Making* making, Sink sink, CallOutcome* progress);
    Task<Result<>> keep(Making* making, std::string events);
    Task<Result<>> keep_new(Making* making);
    Task<Result<std::shared_ptr<Run>>> launch(CallContext context, ResponseRequest request);
    Task<> adopt(std::shared_ptr<Run> run);
    Task<> execute(std::shared_ptr<Run> run);
    Task<> keep_leases(StopToken stop);
    std::shared_ptr<Run> find_run(const std::string& project, const std::string& id);

    sql::Database& database_;
    ChatService& chat_;
    const Clock& clock_;
    const Options options_;
    const std::int64_t born_;  ///< unix milliseconds: what is unfinished and older is some former process's
    ResponseStore store_;
    ConversationStore conversations_;
    boost::asio::io_context* context_ = nullptr;
    std::unique_ptr<TaskGroup> tasks_;
    std::mutex mutex_;
    bool stopping_ = false;
    std::map<std::string, std::shared_ptr<Run>, std::less<>> runs_;
};

}  // namespace atrium::app
