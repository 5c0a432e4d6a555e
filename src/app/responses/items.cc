#include "app/responses/items.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/id.h"
#include "security/crypto/crypto.h"

namespace atrium::app {
namespace {

constexpr std::size_t kMaxItems = 10'000;
constexpr std::string_view kReasoningPrefix = "atrium.reasoning.1.";

std::unexpected<Error> refuse(const std::string& field, std::string_view rule) {
    return fail(invalid_argument(fmt::format("'{}' {}", field, rule)).with_field(field));
}

struct ItemKind {
    std::string_view type;
    std::string_view id_prefix;
};
constexpr std::array<ItemKind, 6> kKinds{{{"message", "msg_"},
                                          {"function_call", "fc_"},
                                          {"function_call_output", "fco_"},
                                          {"custom_tool_call", "ctc_"},
                                          {"custom_tool_call_output", "ctco_"},
                                          {"reasoning", "rs_"}}};

const ItemKind* kind_of(std::string_view type) {
    const auto found = std::ranges::find(kKinds, type, &ItemKind::type);
    return found == kKinds.end() ? nullptr : &*found;
}

Result<json::object> normalise_part(const json::value& value, const std::string& path, bool assistant) {
    if (!value.is_object()) return refuse(path, "must be an object");
    const json::Reader part(value.get_object(), path);
    TRY_ASSIGN(const auto type, part.required_string("type"));
    json::object made = value.get_object();
    if (type == "input_text" || type == "text") {
        TRY(part.required_string("text"));
        if (type == "text") made["type"] = assistant ? "output_text" : "input_text";
    } else if (type == "output_text" && assistant) {
        TRY(part.required_string("text"));
        if (!part.has("annotations")) made["annotations"] = json::array{};
        if (!part.has("logprobs")) made["logprobs"] = json::array{};
    } else if (type == "refusal" && assistant) {
        TRY(part.required_string("refusal"));
    } else if (type == "input_image" && !assistant) {
        TRY_ASSIGN(const auto url, part.optional_string("image_url"));
        TRY_ASSIGN(const auto id, part.optional_string("file_id"));
        if (!url && !id) return refuse(path, "must have 'image_url' or 'file_id'");
        TRY(part.optional_string("detail"));
        if (!part.has("detail")) made["detail"] = "auto";
    } else if (type == "input_file" && !assistant) {
        TRY_ASSIGN(const auto data, part.optional_string("file_data"));
        TRY_ASSIGN(const auto id, part.optional_string("file_id"));
        TRY(part.optional_string("filename"));
        if (part.has("file_url"))
            return refuse(part.name("file_url"),
                          "is not supported: files are not fetched from URLs; send 'file_data' or 'file_id'");
        if (!data && !id) return refuse(path, "must have 'file_data' or 'file_id'");
    } else {
        return refuse(part.name("type"), fmt::format("'{}' is not known in a message of role '{}'", type.substr(0, 60),
                                                     assistant ? "assistant" : "user"));
    }
    return made;
}

Result<json::array> normalise_content(const json::Reader& item, std::string_view key, bool assistant) {
    if (!item.has(key)) return refuse(item.name(key), "is required and must be a string or an array of parts");
    const auto& content = *item.find(key);
    json::array made;
    if (content.is_string()) {
        if (assistant) {
            made.emplace_back(json::object{{"type", "output_text"},
                                           {"text", content},
                                           {"annotations", json::array{}},
                                           {"logprobs", json::array{}}});
        } else {
            made.emplace_back(json::object{{"type", "input_text"}, {"text", content}});
        }
        return made;
    }
    if (!content.is_array()) return refuse(item.name(key), "must be a string or an array of parts");
    for (std::size_t i = 0; i < content.get_array().size(); ++i) {
        TRY_ASSIGN(auto part,
                   normalise_part(content.get_array()[i], fmt::format("{}[{}]", item.name(key), i), assistant));
        made.emplace_back(std::move(part));
    }
    return made;
}

Result<> check_reasoning(const json::Reader& item) {
    TRY(item.optional_array("summary"));
    TRY(item.optional_array("content"));
    TRY(item.optional_string("encrypted_content"));
    return {};
}

/// The members that the type wants; fills in what may be left out.
Result<> check_members(const json::Reader& item, std::string_view type, json::object& made) {
    if (type == "message") {
        TRY_ASSIGN(const auto role, item.required_string("role"));
        if (role != "user" && role != "assistant" && role != "system" && role != "developer")
            return refuse(item.name("role"), "must be one of 'user', 'assistant', 'system', 'developer'");
        TRY_ASSIGN(auto content, normalise_content(item, "content", role == "assistant"));
        made["content"] = std::move(content);
        return {};
    }
    if (type == "reasoning") {
        TRY(check_reasoning(item));
        if (!item.has("summary")) made["summary"] = json::array{};
        return {};
    }
    TRY(item.required_string("call_id"));
    if (type == "function_call") {
        TRY(item.required_string("name"));
        TRY(item.required_string("arguments"));
    } else if (type == "custom_tool_call") {
        TRY(item.required_string("name"));
        TRY(item.required_string("input"));
    } else if (item.has("output") && item.find("output")->is_array()) {
        TRY_ASSIGN(auto output, normalise_content(item, "output", false));
        made["output"] = std::move(output);
    } else {
        TRY(item.required_string("output"));
    }
    return {};
}

std::string joined_text(const json::array& parts) {
    std::string text;
    for (const auto& value : parts) {
        const auto* part = value.if_object();
        if (part == nullptr) continue;
        auto piece = json::string_or(*part, "text");
        if (piece.empty()) piece = json::string_or(*part, "refusal");
        if (!text.empty() && !piece.empty()) text += "\n";
        text += piece;
    }
    return text;
}

const json::array& array_or_empty(const json::object& object, std::string_view key) {
    static const json::array kNone;
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

}  // namespace

Result<json::object> normalise_item(const json::value& value, const std::string& path) {
    if (!value.is_object()) return refuse(path, "must be an object");
    const json::Reader item(value.get_object(), path);
    TRY_ASSIGN(const auto given_type, item.optional_string("type"));
    TRY_ASSIGN(const auto given_id, item.optional_string("id"));
    if (given_id && given_id->size() > 128) return refuse(item.name("id"), "must be at most 128 bytes long");
    if (given_type == "item_reference" || (!given_type && !item.has("role") && given_id)) {
        if (!given_id) return refuse(item.name("id"), "is required");
        return json::object{{"type", "item_reference"}, {"id", *given_id}};
    }
    const std::string type = given_type.value_or("message");
    const auto* kind = kind_of(type);
    if (kind == nullptr)
        return refuse(item.name("type"), fmt::format("'{}' is not a supported type of item", type.substr(0, 60)));
    json::object made = value.get_object();
    made["type"] = type;
    made["id"] = given_id && !given_id->empty() ? *given_id : new_id(kind->id_prefix);
    made["status"] = "completed";
    TRY(check_members(item, type, made));
    return made;
}

Result<json::array> normalise_input(const json::value& input, const std::string& path) {
    json::array made;
    if (input.is_string()) {
        TRY_ASSIGN(auto item, normalise_item(json::object{{"role", "user"}, {"content", input}}, path));
        made.emplace_back(std::move(item));
        return made;
    }
    if (!input.is_array()) return refuse(path, "must be a string or an array of items");
    const auto& items = input.get_array();
    if (items.size() > kMaxItems) return refuse(path, fmt::format("must have at most {} items", kMaxItems));
    for (std::size_t i = 0; i < items.size(); ++i) {
        TRY_ASSIGN(auto item, normalise_item(items[i], fmt::format("{}[{}]", path, i)));
        made.emplace_back(std::move(item));
    }
    return made;
}

void ChatTranscript::add_instructions(std::string_view text) {
    if (!text.empty()) messages_.emplace_back(json::object{{"role", "system"}, {"content", text}});
}

/// The pending turn, started anew when it has told already what `member` holds.
json::object& ChatTranscript::assistant(std::string_view member) {
    const bool again = member == "content" && (pending_.contains("content") || pending_.contains("tool_calls"));
    const bool later =
        member == "reasoning_content" && (pending_.contains("content") || pending_.contains("tool_calls"));
    if (again || later) flush();
    if (pending_.empty()) pending_["role"] = "assistant";
    return pending_;
}

void ChatTranscript::flush() {
    if (pending_.empty()) return;
    if (!pending_.contains("content"))
        pending_["content"] = pending_.contains("tool_calls") ? json::value(nullptr) : json::value("");
    messages_.emplace_back(std::move(pending_));
    pending_ = {};
}

json::array ChatTranscript::parts(const json::array& content) {
    json::array made;
    for (const auto& value : content) {
        const auto& part = value.get_object();
        const auto type = json::string_or(part, "type");
        if (type == "input_image") {
            only_text_ = false;
            if (const auto url = json::string_or(part, "image_url"); !url.empty()) {
                json::object image{{"url", url}};
                if (const auto detail = json::string_or(part, "detail"); !detail.empty()) image["detail"] = detail;
                made.emplace_back(json::object{{"type", "image_url"}, {"image_url", std::move(image)}});
            } else {
                made.emplace_back(
                    json::object{{"type", "file"}, {"file", {{"file_id", json::string_or(part, "file_id")}}}});
            }
        } else if (type == "input_file") {
            only_text_ = false;
            json::object file;
            for (const auto* key : {"filename", "file_data", "file_id"}) {
                if (const auto text = json::string_or(part, key); !text.empty()) file[key] = text;
            }
            made.emplace_back(json::object{{"type", "file"}, {"file", std::move(file)}});
        } else {
            auto text = json::string_or(part, "text");
            if (text.empty()) text = json::string_or(part, "refusal");
            made.emplace_back(json::object{{"type", "text"}, {"text", text}});
        }
    }
    return made;
}

void ChatTranscript::add_message(const json::object& item) {
    const auto role = json::string_or(item, "role");
    const auto& content = array_or_empty(item, "content");
    if (role == "assistant") {
        assistant("content")["content"] = joined_text(content);
        return;
    }
    flush();
    auto made = parts(content);
    const bool plain = std::ranges::all_of(
        made, [](const json::value& part) { return json::string_or(part.get_object(), "type") == "text"; });
    // "developer" is OpenAI's own word; templates of open models know "system".
    json::object message{{"role", role == "developer" ? "system" : role}};
    if (plain) {
        message["content"] = joined_text(made);
    } else {
        message["content"] = std::move(made);
    }
    messages_.emplace_back(std::move(message));
}

void ChatTranscript::add_reasoning(const json::object& item) {
    auto text = joined_text(array_or_empty(item, "content"));
    if (text.empty()) text = joined_text(array_or_empty(item, "summary"));
    json::array blocks;
    const auto packed = json::string_or(item, "encrypted_content");
    if (packed.starts_with(kReasoningPrefix)) {
        const auto bytes = crypto::base64_decode(packed.substr(kReasoningPrefix.size()));
        if (auto opened = bytes ? json::parse_object(*bytes) : Result<json::object>(json::object{})) {
            if (const auto carried = json::string_or(*opened, "text"); !carried.empty()) text = carried;
            blocks = array_or_empty(*opened, "thinking_blocks");
        }
    }
    if (text.empty() && blocks.empty()) return;
    auto& turn = assistant("reasoning_content");
    const std::string before(json::string_or(turn, "reasoning_content"));
    if (!text.empty()) turn["reasoning_content"] = before + text;
    if (blocks.empty()) return;
    auto& all = turn["thinking_blocks"];
    if (!all.is_array()) all.emplace_array();
    for (auto& block : blocks) all.get_array().push_back(std::move(block));
}

void ChatTranscript::add_call(const json::object& item, std::string arguments) {
    auto& calls = assistant("tool_calls")["tool_calls"];
    if (!calls.is_array()) calls.emplace_array();
    calls.get_array().emplace_back(
        json::object{{"id", json::string_or(item, "call_id")},
                     {"type", "function"},
                     {"function", {{"name", json::string_or(item, "name")}, {"arguments", std::move(arguments)}}}});
}

void ChatTranscript::add(const json::object& item) {
    const auto type = json::string_or(item, "type");
    if (type == "message") return add_message(item);
    if (type == "reasoning") return add_reasoning(item);
    if (type == "function_call") return add_call(item, std::string(json::string_or(item, "arguments")));
    if (type == "custom_tool_call") return add_call(item, wrap_custom_input(json::string_or(item, "input")));
    if (type != "function_call_output" && type != "custom_tool_call_output") return;
    flush();
    json::object message{{"role", "tool"}, {"tool_call_id", json::string_or(item, "call_id")}};
    const auto* output = item.if_contains("output");
    json::array others;
    if (output != nullptr && output->is_array()) {
        json::array text;
        for (auto& part : parts(output->get_array())) {
            auto& into = json::string_or(part.get_object(), "type") == "text" ? text : others;
            into.push_back(part);
        }
        message["content"] = joined_text(text);
    } else {
        message["content"] = json::string_or(item, "output");
    }
    messages_.emplace_back(std::move(message));
    // The answer of a tool is text in the chat format; what else it returned follows as the user's.
    if (!others.empty()) messages_.emplace_back(json::object{{"role", "user"}, {"content", std::move(others)}});
}

json::array ChatTranscript::finish() && {
    flush();
    return std::move(messages_);
}

std::string pack_reasoning(std::string_view text, const json::array& thinking_blocks) {
    json::object packed{{"text", text}};
    if (!thinking_blocks.empty()) packed["thinking_blocks"] = thinking_blocks;
    return std::string(kReasoningPrefix) + crypto::base64(json::serialize(packed));
}

std::string wrap_custom_input(std::string_view input) {
    return json::serialize(json::object{{"input", input}});
}

std::string unwrap_custom_input(std::string_view arguments) {
    const auto parsed = json::parse_object(arguments);
    if (!parsed) return std::string(arguments);
    const auto* input = parsed->if_contains("input");
    return input != nullptr && input->is_string() ? std::string(input->get_string()) : std::string(arguments);
}

}  // namespace atrium::app
