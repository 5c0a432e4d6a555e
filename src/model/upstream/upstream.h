#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/json_edit.h"
#include "base/result.h"
#include "base/stop.h"
#include "platform/async/task.h"
#include "platform/http/client.h"
#include "platform/http/sse.h"

namespace atrium::model {

/// What the caller wants done. Bodies and answers are OpenAI-shaped (rerank: Cohere's shape, which Jina and vLLM share;
/// tokenize: vLLM's); the dialect translates where the upstream speaks another language.
enum class Operation { kChat, kCompletion, kEmbedding, kRerank, kModeration, kTokenize, kDetokenize };

/// "/chat/completions", "/completions", "/embeddings", "/rerank", "/moderations", "/tokenize", "/detokenize".
std::string_view operation_path(Operation operation);
/// OpenTelemetry's gen_ai.operation.name: "chat", "text_completion", "embeddings", "rerank", …
std::string_view operation_name(Operation operation);

/// In whose words a conversation can be asked for and answered.
enum class Wire { kOpenAiChat, kOpenAiResponses, kAnthropicMessages };

/// A request as its caller wrote it, when that was not in OpenAI's chat format. An upstream which speaks the same
/// format gets these bytes with `model` replaced, so nothing is lost in two translations.
struct NativeRequest {
    Wire wire = Wire::kAnthropicMessages;
    std::string text;       ///< the JSON body as received
    http::Headers headers;  ///< what the format wants passed on: anthropic-version, anthropic-beta
};

/// One validated request; immutable, shared by all attempts made for it.
struct ModelRequest {
    json::object object;  ///< OpenAI-shaped
    /// The bytes `object` was parsed from, when it is unchanged since; else empty. An upstream that speaks OpenAI gets
    /// them with the members that differ spliced in, instead of a second serialisation.
    std::string text;
    std::optional<NativeRequest> native;
};

struct UpstreamCall {
    Operation operation = Operation::kChat;
    std::string model;  ///< the upstream's own name for it
    std::shared_ptr<const ModelRequest> request;
    bool stream = false;
    std::string traceparent;
    std::string request_id;
    std::string tenant;  ///< salt for prefix caches, sent as x-atrium-tenant to our own engines; never a name
};

/// Usage as reported by the upstream. Buckets as OpenAI has them: prompt_tokens includes the cached ones,
/// completion_tokens the reasoning ones.
struct TokenUsage {
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t cached_tokens = 0;       ///< of the prompt: read from a cache
    std::int64_t cache_write_tokens = 0;  ///< of the prompt: written to a cache (Anthropic charges for it)
    std::int64_t reasoning_tokens = 0;    ///< of the completion
};

/// What an answer has told so far, whatever its wire: for accounting, routing and traces.
struct AnswerFacts {
    TokenUsage usage;             ///< totals; a later report replaces an earlier one
    bool usage_reported = false;  ///< by the upstream itself
    std::int64_t pieces = 0;      ///< streams: events that carried text, reasoning or a tool call
    std::string finish_reason;    ///< OpenAI's word for it; empty: not finished
    std::string response_id;

    /// As reported, or else one completion token for each piece.
    TokenUsage best_usage() const;
    bool usage_estimated() const { return !usage_reported && pieces > 0; }
};

/// Adds what an OpenAI chunk or answer tells. Error events are not looked at. The text is read where it stands: no tree
/// is built for what is only relayed.
void read_facts(const json::ObjectText& chunk, AnswerFacts& facts);
/// Adds what a `usage` object (OpenAI's, or our engine's "atrium" extension) reports.
void read_usage(const json::object& reported, TokenUsage& usage);

/// A successful answer on its way. Belongs to the io thread that called; destroying it before its end closes the
/// connection, which is how the upstream learns that nobody listens any more.
class UpstreamAnswer {
public:
    virtual ~UpstreamAnswer() = default;

    /// The upstream's own headers, for retry hints and debugging.
    virtual const http::Headers& headers() const = 0;
    /// The wire of what read_all() and next() return: kOpenAiChat (also for embeddings and the like), unless the call's
    /// NativeRequest was passed through.
    virtual Wire wire() const { return Wire::kOpenAiChat; }
    virtual const AnswerFacts& facts() const = 0;

    /// Without streaming: the whole answer as JSON text. kUnavailable when it cannot be read or translated.
    virtual Task<Result<std::string>> read_all(std::size_t limit) = 0;

    /// With streaming: the events that arrived since (at least one), nothing at the end. In OpenAI's wire `event` is
    /// empty and `data` a chunk or, at last, "[DONE]" (made here where the provider has none). A provider's error event
    /// is returned as the Error it means; a stream that ends before its answer does is kUnavailable, reason
    /// upstream_interrupted.
    virtual Task<Result<std::vector<http::SseEvent>>> next() = 0;
};

/// Something that answers model calls: a local engine, vLLM, a hosted API. Shared by the routing table. Thread-safe.
/// An HTTP error of the upstream comes back as an Error (see error_from_upstream); a broken connection as kUnavailable.
class Upstream {
public:
    virtual ~Upstream() = default;
    virtual const std::string& name() const = 0;
    /// Whether its dialect has words for this.
    virtual bool supports(Operation operation) const = 0;
    virtual Task<Result<std::unique_ptr<UpstreamAnswer>>> call(UpstreamCall call, StopToken stop) = 0;
};

struct UpstreamOptions {
    std::string name;
    std::string dialect = "openai";  ///< a name of dialect_names()
    std::string base_url;            ///< "https://host/v1" or "unix:/path.sock:/v1"
    std::string api_key;             ///< sent as the dialect wants, only to this origin; may be empty
    std::string api_version;  ///< Azure's api-version, Anthropic's anthropic-version; empty: the dialect's default
    http::Deadlines deadlines;
};

/// Every dialect there is: "openai", "openai-responses", "anthropic", …
std::vector<std::string_view> dialect_names();

/// kInvalidArgument when the URL cannot be used or the dialect is unknown (with a suggestion).
Result<std::unique_ptr<Upstream>> make_upstream(http::Client& client, UpstreamOptions options);

/// What an upstream's error answer means to our caller. Its message, code and param survive when they are
/// OpenAI-shaped; otherwise the caller gets a plain sentence and the first bytes of the body go into the (logged, never
/// sent) cause. 401 and 403 concern Atrium's own credential, so they become kUnavailable: the caller's key is not at
/// fault.
Error error_from_upstream(std::string_view upstream, int status, std::string_view body);

/// The same for an `{"error":{…}}` event inside a stream that began with 200; nothing when `event` is no such thing.
std::optional<Error> error_in_event(std::string_view upstream, const json::object& event);

}  // namespace atrium::model
