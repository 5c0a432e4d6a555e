#pragma once

#include <memory>
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
    std::string model;        ///< the upstream's own name for it
    std::string body;         ///< OpenAI-shaped JSON; `model` is replaced by the dialect
    bool stream = false;
    std::string traceparent;
    std::string request_id;
    std::string tenant;       ///< salt for prefix caches; never a name
};

/// Usage as reported by the upstream.
struct TokenUsage {
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t cached_tokens = 0;
};

/// Something that answers model calls: a local engine, vLLM, a hosted API. Owned by the router. Thread-safe.
/// An HTTP error of the upstream comes back as an Error with the matching code and the upstream's message;
/// a broken connection as kUnavailable.
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
/// vLLM, SGLang, llama-server, `atrium engine`, OpenAI itself.
Result<std::unique_ptr<Upstream>> make_openai_upstream(http::Client& client, UpstreamOptions options);

}  // namespace atrium::model
