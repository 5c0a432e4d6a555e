// Every dialect against arbitrary bytes: as events of a stream, as a whole answer, as an error, and as a caller's
// request. The first byte chooses the dialect, the second the operation; the rest is cut into lines, each one an event.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "model/upstream/dialect.h"

namespace {

using namespace atrium;

model::UpstreamCall make_call(std::uint8_t choice, std::string_view text) {
    static constexpr model::Operation kOperations[] = {model::Operation::kChat,      model::Operation::kCompletion,
                                                       model::Operation::kEmbedding, model::Operation::kRerank,
                                                       model::Operation::kTokenize,  model::Operation::kDetokenize};
    model::UpstreamCall call;
    call.operation = kOperations[choice % 6];
    call.model = "model";
    call.stream = (choice & 64) != 0;
    auto request = std::make_shared<model::ModelRequest>();
    if (auto object = json::parse_object(text)) request->object = std::move(*object);
    call.request = std::move(request);
    return call;
}

/// A decoder never says more than it was told, give or take the frame of a chunk, and never after [DONE].
void check_stream(const model::Dialect& dialect, const model::UpstreamCall& call, std::string_view text) {
    const auto decoder = dialect.decoder(call);
    if (dialect.relays_answers()) return;
    std::vector<std::string> chunks;
    Result<> outcome;
    while (!text.empty() && outcome) {
        const auto end = std::min(text.find('\n'), text.size());
        outcome = decoder->decode({{}, std::string(text.substr(0, end))}, chunks);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (outcome) outcome = decoder->finish(chunks);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        if (chunks[i] == "[DONE]")
            CHECK(i + 1 == chunks.size());
        else
            CHECK(json::parse_object(chunks[i]).has_value());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    static const auto kNames = model::dialect_names();
    const auto* dialect = model::find_dialect(kNames[data[0] % kNames.size()]);
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto newline = text.find('\n');
    const auto first = text.substr(0, newline);
    const auto rest = newline == std::string_view::npos ? text : text.substr(newline + 1);
    const auto call = make_call(data[1], first);
    if (dialect->supports(call.operation)) {
        if (const auto wire = dialect->encode(call, {.name = "u"})) CHECK(json::parse_object(wire->body).has_value());
        if (auto answer = json::parse(rest)) {
            auto object = answer->is_object() ? answer->get_object() : json::object{{"items", *answer}};
            (void)dialect->decode(call, std::move(object));
        }
        check_stream(*dialect, call, rest);
    }
    (void)dialect->decode_error("u", 400 + data[1] % 150, {}, text);
    return 0;
}
