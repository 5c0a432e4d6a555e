#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

/// Items: what a response takes in and gives out (messages, reasoning, tool calls and their results), in OpenAI's
/// Responses format. Objects here are as they appear on the wire.
namespace atrium::app {

/// One item of a request, checked and complete: with an id, a status, its content as a list of parts. kInvalidArgument
/// names the field under `path`. An "item_reference" stays one; whoever has the stored items resolves it.
Result<json::object> normalise_item(const json::value& item, const std::string& path);

/// What a request's `input` may be: a string or an array of items. At most 10,000.
Result<json::array> normalise_input(const json::value& input, const std::string& path);

/// Items become chat messages: what belongs to one turn of the assistant (reasoning, text, tool calls) becomes one
/// message. Items were normalised before. One use.
class ChatTranscript {
public:
    void add_instructions(std::string_view text);
    void add(const json::object& item);
    json::array finish() &&;
    /// No image or file so far.
    bool only_text() const { return only_text_; }

private:
    json::object& assistant(std::string_view member);
    void flush();
    void add_message(const json::object& item);
    void add_reasoning(const json::object& item);
    void add_call(const json::object& item, std::string arguments);
    json::array parts(const json::array& content);

    json::array messages_;
    json::object pending_;  ///< the assistant's turn that is being put together; empty: none
    bool only_text_ = true;
};

/// Reasoning that a caller carries from call to call when nothing is stored: the upstream's own signed blocks, or the
/// text. Opaque, not secret: it is the caller's own answer.
std::string pack_reasoning(std::string_view text, const json::array& thinking_blocks);

/// The text of a custom tool call is told to chat models as a function of one string; this is that wrapping.
std::string wrap_custom_input(std::string_view input);
std::string unwrap_custom_input(std::string_view arguments);

}  // namespace atrium::app
