#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/stop.h"
#include "platform/async/task.h"
#include "platform/http/client.h"

namespace atrium::model {

/// What the caller wants done, in OpenAI's shape; the dialect translates where the upstream speaks another language.
enum class Operation { kChat, kCompletion, kEmbedding };

struct UpstreamCall {
    Operation operation = Operation::kChat;
    std::string model;  ///< the upstream's own name for it
    json::object body;  ///< OpenAI-shaped; the dialect replaces `model`
    bool stream = false;
    std::string traceparent;
    std::string request_id;
    std::string tenant;  ///< salt for prefix caches, sent as x-atrium-tenant; never a name
};

/// "/chat/completions", "/completions", "/embeddings".
std::string_view operation_path(Operation operation);
/// OpenTelemetry's gen_ai.operation.name: "chat", "text_completion", "embeddings".
std::string_view operation_name(Operation operation);

/// Usage as reported by the upstream.
struct TokenUsage {
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t cached_tokens = 0;
};

/// Something that answers model calls: a local engine, vLLM, a hosted API. Owned by the router. Thread-safe.
/// An HTTP error of the upstream comes back as an Error (see error_from_upstream); a broken connection as kUnavailable.
class Upstream {
public:
    virtual ~Upstream() = default;
    virtual const std::string& name() const = 0;
    /// A successful response (2xx), JSON or SSE; the caller reads its body.
    virtual Task<Result<std::unique_ptr<http::ClientResponse>>> call(UpstreamCall call, StopToken stop) = 0;
};

struct UpstreamOptions {
    std::string name;
    std::string base_url;  ///< "https://host/v1" or "unix:/path.sock:/v1"
    std::string api_key;   ///< sent as Bearer, only to this origin; may be empty
    http::Deadlines deadlines;
};

/// What an upstream's error answer means to our caller. Its message, code and param survive when they are
/// OpenAI-shaped; otherwise the caller gets a plain sentence and the first bytes of the body go into the (logged, never
/// sent) cause. 401 and 403 concern Atrium's own credential, so they become kUnavailable: the caller's key is not at
/// fault.
Error error_from_upstream(std::string_view upstream, int status, std::string_view body);

/// The same for an `{"error":{…}}` event inside a stream that began with 200; nothing when `event` is no such thing.
std::optional<Error> error_in_event(std::string_view upstream, const json::object& event);

/// vLLM, SGLang, llama-server, `atrium engine`, OpenAI itself. kInvalidArgument when the URL cannot be used.
Result<std::unique_ptr<Upstream>> make_openai_upstream(http::Client& client, UpstreamOptions options);

}  // namespace atrium::model
