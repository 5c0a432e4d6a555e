#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace atrium::gateway {

/// Where the text of an answer goes: `message.content` of a chat, or `response` of generate.
enum class OllamaShape { kChat, kGenerate };

/// A chat or text completion, streamed or whole, in Ollama's words. One call, one thread; holds tool calls until they
/// are complete (Ollama tells them whole), otherwise constant memory.
class OllamaAnswer {
public:
    OllamaAnswer(OllamaShape shape, std::string model) : shape_(shape), model_(std::move(model)) {}

    /// The lines that one payload of the stream makes; "[DONE]" makes none.
    Result<std::vector<json::object>> feed(std::string_view payload, std::string_view now);
    /// The last line: `done` with counts. Durations in nanoseconds.
    json::object end(std::string_view now, std::int64_t total_ns, std::int64_t prompt_ns) const;
    /// A whole answer at once.
    Result<json::object> whole(std::string_view completion, std::string_view now, std::int64_t total_ns);

private:
    struct Call {
        std::string name;
        std::string arguments;
    };
    json::object line(std::string_view now, std::string_view text, std::string_view thinking) const;
    void take_calls(const json::object& delta);
    std::vector<json::object> finished_calls(std::string_view now);
    json::array calls_json() const;
    void take_usage(const json::object& body);

    const OllamaShape shape_;
    const std::string model_;
    std::vector<Call> calls_;
    std::string finish_reason_ = "stop";
    std::int64_t prompt_tokens_ = 0;
    std::int64_t answer_tokens_ = 0;
};

}  // namespace atrium::gateway
