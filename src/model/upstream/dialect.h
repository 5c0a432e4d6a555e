#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/upstream/upstream.h"
#include "platform/http/message.h"
#include "platform/http/sse.h"

namespace atrium::model {

/// What to send, relative to the upstream's base URL.
struct WireRequest {
    std::string path;  ///< "/messages"; may carry a query
    http::Headers headers;
    std::string body;
};

/// How a provider cuts a stream into events.
enum class Framing {
    kSse,    ///< server-sent events
    kNdjson  ///< one JSON document per line; each arrives as an SseEvent without name
};

/// The answer side of one streamed call: a provider's events in, OpenAI chat chunks out. An explicit state machine with
/// its table of transitions in the .cc. Constant memory but for what a half-told tool call needs. One call, one thread.
class StreamDecoder {
public:
    virtual ~StreamDecoder() = default;
    /// Appends the chunks (complete JSON texts, or "[DONE]") that this event makes. An error event of the provider is
    /// the Error it means; an event that makes no sense is kUnavailable; unknown events are skipped.
    virtual Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) = 0;
    /// The body has ended. Appends what is still owed; kUnavailable when the provider stopped in mid-answer.
    virtual Result<> finish(std::vector<std::string>& chunks) = 0;
};

/// One provider's wire format: how calls, answers, streams and errors are written. Stateless, immutable, shared by all
/// upstreams that speak it. To add one: a folder with this class in it, and a line in dialects.cc.
class Dialect {
public:
    virtual ~Dialect() = default;
    virtual std::string_view name() const = 0;
    virtual bool supports(Operation operation) const = 0;
    /// Requests in this wire are sent as they came, and their answers relayed as they come (see NativeRequest);
    /// nothing: the dialect always translates.
    virtual std::optional<Wire> native_wire() const { return std::nullopt; }
    /// Whether this call goes through untranslated. Then encode() takes native_body(), answers skip decode(), and the
    /// events that pass are shown to decoder() for their facts only.
    bool passes_through(const UpstreamCall& call) const;
    virtual Framing framing() const { return Framing::kSse; }
    /// Whether answers are already OpenAI-shaped, so that they are relayed without decode() and decoder().
    virtual bool relays_answers() const { return false; }

    /// kInvalidArgument names what this provider has no words for.
    virtual Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const = 0;
    /// A complete 2xx answer, as OpenAI would have said it. One that is a list arrives as {"items":[…]}.
    virtual Result<json::object> decode(const UpstreamCall& call, json::object answer) const = 0;
    virtual std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const = 0;
    /// An answer that is not 2xx. Default: error_from_upstream.
    virtual Error decode_error(std::string_view upstream, int status, const http::Headers& headers,
                               std::string_view body) const;
};

/// The answer side of an upstream, for a response that has arrived with 2xx. `stop` is the caller's token, `own` what
/// the response listens to. Also how tests play an upstream without a network.
std::unique_ptr<UpstreamAnswer> read_answer(const Dialect& dialect, std::string upstream, UpstreamCall call,
                                            std::unique_ptr<http::ClientResponse> response, StopToken stop,
                                            StopSource own);

/// `call.request->object` as JSON text with `model` replaced by the upstream's name, without `stream` and
/// `stream_options`, and with `extra` members set: spliced from the original bytes where there are some.
std::string openai_body(const UpstreamCall& call, const json::object& extra = {});
/// The same for the bytes of the native request; `stream` as the call has it.
std::string native_body(const UpstreamCall& call);

/// The table of dialects; nullptr when there is none of that name. Lives for ever.
const Dialect* find_dialect(std::string_view name);

}  // namespace atrium::model
