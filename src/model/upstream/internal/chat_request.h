#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

/// An OpenAI chat request taken apart for the dialects that say it in other words. Everything here points into the
/// request body, which has to stay alive and unchanged. Plain values, any thread.
namespace atrium::model {

/// A picture, document or sound: either bytes inside the request or a place to fetch them from.
struct ChatMedia {
    std::string type;       ///< "image/png"; empty when unknown
    std::string_view data;  ///< base64; empty: see url
    std::string_view url;   ///< https://…, gs://…
    std::string_view name;  ///< file name; may be empty
    std::string_view detail;
};

struct ChatPart {
    enum class Kind { kText, kRefusal, kImage, kFile, kAudio };
    Kind kind = Kind::kText;
    std::string path;       ///< "messages[2].content[0]", for messages about it
    std::string_view text;  ///< kText, kRefusal
    ChatMedia media;        ///< kImage, kFile, kAudio
    std::string_view file_id;
    const json::value* cache_control = nullptr;
};

struct ChatToolCall {
    std::string path;
    std::string_view id;
    std::string_view name;
    bool custom = false;         ///< free text input instead of JSON arguments
    std::string_view input;      ///< the arguments as written, or the free text
    json::object arguments;      ///< parsed; empty for custom ones
    std::string_view signature;  ///< extra_content.google.thought_signature
};

struct ChatMessage {
    enum class Role { kSystem, kDeveloper, kUser, kAssistant, kTool };
    Role role = Role::kUser;
    std::string path;
    std::vector<ChatPart> parts;
    std::vector<ChatToolCall> tool_calls;
    std::string_view tool_call_id;
    bool is_error = false;  ///< tool: the tool failed
    std::string_view reasoning;
    const json::array* thinking_blocks = nullptr;
    std::string_view signature;  ///< extra_content.google.thought_signature
    const json::value* cache_control = nullptr;

    /// The text of all parts, joined. kInvalidArgument naming the first part that is no text and `who` can't take it.
    Result<std::string> plain_text(std::string_view who) const;
};

struct ChatTool {
    std::string path;
    bool custom = false;
    std::string_view name;
    std::string_view description;
    const json::object* parameters = nullptr;  ///< JSON schema; nullptr: takes nothing
    bool strict = false;
    const json::value* cache_control = nullptr;
    const json::object* definition = nullptr;  ///< the `function` or `custom` object itself
};

struct ChatToolChoice {
    enum class Mode { kUnset, kNone, kAuto, kRequired, kNamed };
    Mode mode = Mode::kUnset;
    std::string_view name;                  ///< kNamed
    bool custom = false;                    ///< kNamed: a custom tool
    std::vector<std::string_view> allowed;  ///< allowed_tools; empty: all
};

struct ChatFormat {
    enum class Kind { kText, kJsonObject, kJsonSchema };
    Kind kind = Kind::kText;
    std::string_view name;
    std::string_view description;
    const json::object* schema = nullptr;  ///< kJsonSchema
    std::optional<bool> strict;
};

struct ChatRequest {
    const json::object* body = nullptr;
    std::vector<ChatMessage> messages;
    std::vector<ChatTool> tools;  ///< allowed_tools already applied
    ChatToolChoice tool_choice;
    std::optional<bool> parallel_tool_calls;
    ChatFormat format;
    std::vector<std::string_view> stop;
    std::optional<std::int64_t> max_tokens;  ///< max_completion_tokens, else max_tokens
    std::string_view reasoning_effort;       ///< empty: not asked for

    /// The member of the body, nullptr when absent or null.
    const json::value* find(std::string_view key) const;
};

/// kInvalidArgument names the field that is malformed. At most 100 000 messages, 1 024 tools, 128 calls in a message.
Result<ChatRequest> read_chat(const json::object& body);

/// kInvalidArgument when one of these would change what the caller gets back and `who` has no word for it: n above 1,
/// logprobs, logit_bias, audio output, web search, the retired functions. `allowed` names the exceptions.
Result<> refuse_untranslatable(const ChatRequest& request, std::string_view who,
                               std::initializer_list<std::string_view> allowed = {});

/// A legacy completion request with one prompt of text. Points into the body.
struct CompletionRequest {
    std::string_view prompt;
    std::string_view suffix;
    std::vector<std::string_view> stop;
    std::optional<std::int64_t> max_tokens;
};

/// kInvalidArgument for token lists, several prompts, and what `who` has no word for: n or best_of above 1, echo,
/// logprobs, logit_bias.
Result<CompletionRequest> read_completion(const json::object& body, std::string_view who);

/// "messages[0].content[1]: <who> does not take audio".
Error cannot_say(std::string_view path, std::string_view who, std::string_view what);

/// A number or nothing. Integers count as numbers.
std::optional<double> number_of(const json::value* value);

/// Copies the members that are present under their new names.
void copy_members(const json::object& from, json::object& to,
                  std::initializer_list<std::pair<std::string_view, std::string_view>> names);

}  // namespace atrium::model
