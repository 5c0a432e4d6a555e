#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat/chat_service.h"
#include "base/json.h"
#include "platform/http/server.h"

namespace atrium::gateway {

/// Who may use a route. Everything that is not kPublic needs a key; the list of public routes is short and tested.
enum class Access {
    kPublic,
    kKey,           ///< any key with the route's scope
    kProject,       ///< an administrator of the project {project_id} of the path, or of its organization
    kOrganisation,  ///< an administrator of an organization; sees its own one
    kAdmin,         ///< who operates the installation: an administrator of the first organization
};

/// In whose words errors are told.
enum class Dialect { kOpenAi, kAnthropic, kOllama, kAtrium };

/// How a stream looks on the wire.
struct StreamFormat {
    std::string content_type = "text/event-stream; charset=utf-8";
    /// Sent into silences; empty: nothing, because the format has no words without meaning.
    std::string keep_alive = ": keep-alive\n\n";
    bool lines = false;  ///< one JSON document per line instead of events
};

class SseStream;

/// One authenticated request on its way through a route handler. Wraps the exchange; same lifetime and thread.
class Call {
public:
    Call(http::Exchange& exchange, app::CallContext context, std::map<std::string, std::string> path_parameters);
    /// Whoever made the call awaits close_stream() first (the pipeline does).
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    http::Exchange& exchange() { return exchange_; }
    const app::CallContext& context() const { return context_; }
    const app::Principal& principal() const { return context_.principal; }
    /// "{file_id}" of the pattern, percent-decoded.
    const std::string& path(std::string_view name) const;
    /// Likewise; nullptr when the pattern has none of that name.
    const std::string* path_if(std::string_view name) const;
    std::optional<std::string> query(std::string_view name) const { return exchange_.head().query_value(name); }
    const std::string& raw_query() const { return exchange_.head().query; }
    /// "127.0.0.1:50312", or "unix".
    const std::string& peer() const { return exchange_.head().peer; }
    /// An integer of the query ("limit"), within [min, max]; kInvalidArgument that names the parameter and its range.
    Result<std::int64_t> query_int(std::string_view name, std::int64_t fallback, std::int64_t min,
                                   std::int64_t max) const;

    /// Reads and parses the body: JSON object within the configured limit; content type must be JSON (or absent). Once.
    Task<Result<json::object>> json_body();
    /// The same with the bytes it was parsed from, for bodies that are passed on.
    struct JsonText {
        json::object object;
        std::string text;
    };
    Task<Result<JsonText>> json_text();
    Task<Result<>> respond_json(const json::value& body, int status = 200);

    /// A stream will follow, when its first event is there. Until then an error still becomes a proper HTTP status; but
    /// a client that has heard nothing for one heartbeat gets the head and a comment, so that it and the proxies in
    /// between keep waiting.
    Task<> expect_sse();
    /// Starts text/event-stream now, with the headers every stream has. Comments follow in silences.
    Task<Result<>> start_sse();
    /// "data: …\n\n", or with an event name "event: …\ndata: …\n\n". Starts the stream when nobody has.
    Task<Result<>> send_sse(std::string_view data, std::string_view event = {});
    /// Another format than OpenAI's events; before the stream is expected or started.
    void set_stream_format(StreamFormat format) { stream_format_ = std::move(format); }
    /// Ends the heartbeat; the exchange itself is finished by the pipeline.
    Task<> close_stream();
    bool is_streaming() const;

    void set_max_body(std::size_t bytes) { max_body_ = bytes; }
    void set_heartbeat(std::chrono::milliseconds silence) { heartbeat_ = silence; }
    /// What settle records; handlers of model calls fill it.
    app::CallOutcome outcome;

private:
    SseStream& sse();

    http::Exchange& exchange_;
    app::CallContext context_;
    std::map<std::string, std::string> path_parameters_;
    std::size_t max_body_ = 32u << 20;
    std::chrono::milliseconds heartbeat_{15'000};
    StreamFormat stream_format_;
    std::unique_ptr<SseStream> sse_;
};

/// Returns an Error to have the pipeline render it: as the response when none has started, else inside the stream.
using RouteHandler = std::function<Task<Result<>>(Call&)>;

struct RouteSpec {
    http::Method method = http::Method::kGet;
    /// "/v1/files/{file_id}/content". A last "{model...}" takes the rest of the path, slashes included.
    std::string pattern;
    Access access = Access::kKey;
    Dialect dialect = Dialect::kOpenAi;
    /// What the key must be allowed to do. Left empty, RouteTable::add fills it in: admin.read or admin.write for
    /// administration, else by tag; routes tagged "operations" stay without.
    std::optional<app::Scope> scope = {};
    std::string tag;      ///< groups routes in the API description: "chat", "files"
    std::string summary;  ///< one line, for /atrium/openapi.json
    RouteHandler handler;
    json::object request_schema = {};   ///< JSON Schema of the body; empty: none
    json::object response_schema = {};  ///< of the 200 answer; empty: unspecified
};

/// All routes of the installation; also the source of /atrium/openapi.json, so the two cannot disagree.
/// Filled at start, then immutable and shared by all io threads.
class RouteTable {
public:
    /// Two routes for one method and pattern are a defect (CHECK).
    void add(RouteSpec route);

    /// Keeps what handlers refer to until the table goes.
    void keep(std::shared_ptr<const void> owned) { kept_.push_back(std::move(owned)); }

    /// Answers GETs that no route knows and that lie outside the API's prefixes (/v1, /v2, /api, /atrium, /mcp, /otlp):
    /// the console. Public; not part of the API description.
    void set_fallback(RouteHandler handler);

    struct Match {
        const RouteSpec* route = nullptr;
        std::map<std::string, std::string> parameters;
        std::string allow;  ///< when the path exists but not with this method: what it has
    };
    /// Literal segments win over parameters, parameters over "{rest...}". HEAD matches GET, a slash at the end is
    /// ignored.
    Match match(http::Method method, std::string_view path) const;
    const std::vector<RouteSpec>& routes() const { return routes_; }

private:
    std::vector<RouteSpec> routes_;
    std::vector<std::vector<std::string>> segments_;  // of each route's pattern
    std::optional<RouteSpec> fallback_;
    std::vector<std::shared_ptr<const void>> kept_;
};

}  // namespace atrium::gateway
