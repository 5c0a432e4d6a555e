#pragma once

#include <optional>

#include "model/upstream/dialect.h"
#include "model/upstream/internal/ndjson_parser.h"

namespace atrium::model {

/// Stops one source when a token fires, for as long as it lives.
struct StopOther {
    StopSource other;
    void operator()() { other.request_stop(); }
};
using ForwardStop = StopCallback<StopOther>;

/// An answer over HTTP, told in OpenAI's words or relayed as it is. Belongs to one call and io thread.
class HttpAnswer final : public UpstreamAnswer {
public:
    /// `stop` is the caller's; `own` what the response listens to: it fires with `stop`, and here when a finished
    /// stream is left open by its sender.
    HttpAnswer(const Dialect& dialect, std::string upstream, UpstreamCall call,
               std::unique_ptr<http::ClientResponse> response, StopToken stop, StopSource own);

    const http::Headers& headers() const override { return response_->headers(); }
    Wire wire() const override { return wire_; }
    const AnswerFacts& facts() const override { return facts_; }
    Task<Result<std::string>> read_all(std::size_t limit) override;
    Task<Result<std::vector<http::SseEvent>>> next() override;

private:
    enum class Mode {
        kRelay,      ///< OpenAI's words already
        kTranslate,  ///< through the dialect's decoder
        kNative      ///< relayed untranslated; the decoder only tells the facts
    };

    Result<> read(std::string_view text);
    Result<> take_bytes(std::string_view bytes, std::vector<http::SseEvent>& out);
    Task<Error> whole_body_as_error();
    Result<> take(http::SseEvent event, std::vector<http::SseEvent>& out);
    Result<> take_chunks(std::vector<std::string>& chunks, std::vector<http::SseEvent>* out);
    Result<> end(std::vector<http::SseEvent>& out);
    Task<> read_to_end();

    const Dialect& dialect_;
    const std::string upstream_;
    const UpstreamCall call_;
    const std::unique_ptr<http::ClientResponse> response_;
    StopSource own_;
    const ForwardStop forward_;
    const Wire wire_;
    const Mode mode_;
    AnswerFacts facts_;
    http::SseParser sse_;
    NdjsonParser ndjson_;
    std::unique_ptr<StreamDecoder> decoder_;
    std::optional<Error> failure_;  ///< to be told when what came before it has been taken
    bool done_ = false;             ///< the answer is complete
    bool ended_ = false;            ///< so is the body
};

}  // namespace atrium::model
