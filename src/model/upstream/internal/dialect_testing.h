#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/upstream/dialect.h"

/// What the tests of the dialects share. Calls and transcripts without a network.
namespace atrium::model::testing {

inline json::object parse(std::string_view text) {
    return json::parse_object(text).value();
}

inline UpstreamCall chat_call(std::string_view body, bool stream = false) {
    auto request = std::make_shared<ModelRequest>();
    request->object = parse(body);
    UpstreamCall call;
    call.model = "served-model";
    call.request = std::move(request);
    call.stream = stream;
    return call;
}

/// The body that would be sent, or the error's message in {"refused":…,"field":…}.
inline json::object encoded(const Dialect& dialect, const UpstreamCall& call, UpstreamOptions options = {}) {
    auto wire = dialect.encode(call, options);
    if (!wire) return {{"refused", wire.error().message()}, {"field", wire.error().field()}};
    return parse(wire->body);
}

inline json::object encoded(const Dialect& dialect, std::string_view body) {
    return encoded(dialect, chat_call(body));
}

struct Decoded {
    std::vector<json::object> chunks;  ///< [DONE] is {"done":true}
    std::optional<Error> error;

    /// All values of one member of the deltas of choice 0, joined.
    std::string joined(std::string_view member) const {
        std::string all;
        for (const auto& chunk : chunks) {
            const auto* choices = chunk.if_contains("choices");
            if (choices == nullptr || choices->get_array().empty()) continue;
            const auto* delta = choices->at(0).as_object().if_contains("delta");
            if (delta != nullptr) all += json::string_or(delta->as_object(), member);
        }
        return all;
    }
    std::string finish_reason() const {
        for (const auto& chunk : chunks) {
            const auto* choices = chunk.if_contains("choices");
            if (choices == nullptr || choices->get_array().empty()) continue;
            if (const auto reason = json::string_or(choices->at(0).as_object(), "finish_reason"); !reason.empty())
                return std::string(reason);
        }
        return {};
    }
    bool done() const { return !chunks.empty() && chunks.back().contains("done"); }
};

/// Feeds events to a decoder, and the end of the body unless something failed.
inline Decoded decode_events(const Dialect& dialect, const UpstreamCall& call, const std::vector<std::string>& events) {
    Decoded result;
    const auto decoder = dialect.decoder(call);
    std::vector<std::string> chunks;
    Result<> outcome;
    for (const auto& data : events) {
        outcome = decoder->decode({{}, data}, chunks);
        if (!outcome) break;
    }
    if (outcome) outcome = decoder->finish(chunks);
    if (!outcome) result.error = outcome.error();
    for (const auto& chunk : chunks)
        result.chunks.push_back(chunk == "[DONE]" ? json::object{{"done", true}} : parse(chunk));
    return result;
}

}  // namespace atrium::model::testing
