#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat/chat_service.h"
#include "base/json.h"
#include "platform/http/server.h"

namespace atrium::gateway {

/// Who may use a route. Everything that is not kPublic needs a key; the list of public routes is short and tested.
enum class Access { kPublic, kKey, kAdmin };

/// In whose words errors are told.
enum class Dialect { kOpenAi, kAtrium };

/// One authenticated request on its way through a route handler. Wraps the exchange; same lifetime and thread.
class Call {
public:
    Call(http::Exchange& exchange, app::CallContext context, std::map<std::string, std::string> path_parameters)
        : exchange_(exchange), context_(std::move(context)), path_parameters_(std::move(path_parameters)) {}

    http::Exchange& exchange() { return exchange_; }
    const app::CallContext& context() const { return context_; }
    const app::Principal& principal() const { return context_.principal; }
    /// "{file_id}" of the pattern, percent-decoded.
    const std::string& path(std::string_view name) const;
    std::optional<std::string> query(std::string_view name) const { return exchange_.head().query_value(name); }
    /// limit/after/before/order of a list route, validated.
    Result<std::int64_t> query_int(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const;

    /// Reads and parses the body: JSON object within the configured limit; content type must be JSON (or absent).
    Task<Result<json::object>> json_body();
    Task<Result<>> respond_json(const json::value& body, int status = 200);

    /// Starts text/event-stream with the headers every stream has.
    Task<Result<>> start_sse();
    /// "data: …\n\n", or with an event name "event: …\ndata: …\n\n".
    Task<Result<>> send_sse(std::string_view data, std::string_view event = {});

    void set_max_body(std::size_t bytes) { max_body_ = bytes; }
    /// What settle records; handlers of model calls fill it.
    app::CallOutcome outcome;

private:
    http::Exchange& exchange_;
    app::CallContext context_;
    std::map<std::string, std::string> path_parameters_;
    std::size_t max_body_ = 32u << 20;
};

/// Returns an Error to have the pipeline render it: as the response when none has started, else inside the stream.
using RouteHandler = std::function<Task<Result<>>(Call&)>;

struct RouteSpec {
    http::Method method = http::Method::kGet;
    std::string pattern;  ///< "/v1/files/{file_id}/content"
    Access access = Access::kKey;
    Dialect dialect = Dialect::kOpenAi;
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
    void add(RouteSpec route);

    struct Match {
        const RouteSpec* route = nullptr;
        std::map<std::string, std::string> parameters;
        std::string allow;  ///< when the path exists but not with this method: what it has
    };
    Match match(http::Method method, std::string_view path) const;
    const std::vector<RouteSpec>& routes() const { return routes_; }

private:
    std::vector<RouteSpec> routes_;
};

}  // namespace atrium::gateway
