#include "gateway/anthropic/content_blocks.h"

#include <fmt/format.h>

#include "base/text.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

std::string at(std::string_view list, std::size_t index) {
    return fmt::format("{}[{}]", list, index);
}

Result<const json::object*> object_at(const json::array& list, std::size_t index, const std::string& path) {
    if (!list[index].is_object()) return refuse(path, "must be an object");
    return &list[index].get_object();
}

void keep_cache_control(const json::object& from, json::object& to) {
    if (const auto* mark = from.if_contains("cache_control"); mark != nullptr && mark->is_object())
        to["cache_control"] = *mark;
}

json::object text_part(std::string_view text) {
    return {{"type", "text"}, {"text", text}};
}

/// Text parts without marks become one string, which every upstream understands.
json::value plain_or_parts(json::array parts) {
    std::string text;
    for (const auto& part : parts) {
        const auto& object = part.get_object();
        if (json::string_or(object, "type") != "text" || object.contains("cache_control")) return parts;
        if (!text.empty()) text += "\n\n";
        text += json::string_or(object, "text");
    }
    return json::string(text);
}

Error unsupported_block(const json::Reader& block, std::string_view type, std::string_view role) {
    const auto field = block.name("type");
    return invalid_argument(fmt::format("'{}': blocks of type '{}' are not supported in a message of role '{}'", field,
                                        type.substr(0, 60), role))
        .with_field(field);
}

Result<std::string> data_url(const json::Reader& source) {
    TRY_ASSIGN(const auto media_type, source.required_string("media_type"));
    TRY_ASSIGN(const auto data, source.required_string("data"));
    return fmt::format("data:{};base64,{}", media_type, data);
}

/// The members of an assistant turn that chat completions keep apart.
struct AssistantTurn {
    json::array text;
    json::array thinking;
    std::string reasoning;
    json::array calls;

    json::object message() && {
        json::object made{{"role", "assistant"}};
        if (text.empty()) {
            made["content"] = nullptr;
        } else {
            made["content"] = plain_or_parts(std::move(text));
        }
        if (!reasoning.empty()) made["reasoning_content"] = reasoning;
        if (!thinking.empty()) made["thinking_blocks"] = std::move(thinking);
        if (!calls.empty()) made["tool_calls"] = std::move(calls);
        return made;
    }
};

}  // namespace

Result<json::value> ChatMessages::image(const json::object& block, const std::string& path) {
    const json::Reader reader(block, path);
    TRY_ASSIGN(const auto* source_object, reader.required_object("source"));
    const json::Reader source(*source_object, reader.name("source"));
    TRY_ASSIGN(const auto type, source.required_string("type"));
    TRY(check_word(source, "type", {"base64", "url", "file"}));
    only_text = false;
    json::object made;
    if (type == "file") {
        TRY_ASSIGN(const auto id, source.required_string("file_id"));
        made = {{"type", "file"}, {"file", {{"file_id", id}}}};
    } else {
        TRY_ASSIGN(const auto url, type == "base64" ? data_url(source) : source.required_string("url"));
        made = {{"type", "image_url"}, {"image_url", {{"url", url}}}};
    }
    keep_cache_control(block, made);
    return json::value(std::move(made));
}

/// Text documents are read in; a PDF travels as a file.
Result<json::array> ChatMessages::document(const json::object& block, const std::string& path) {
    const json::Reader reader(block, path);
    TRY_ASSIGN(const auto* source_object, reader.required_object("source"));
    const json::Reader source(*source_object, reader.name("source"));
    TRY_ASSIGN(const auto type, source.required_string("type"));
    TRY_ASSIGN(const auto title, reader.optional_string("title"));
    TRY_ASSIGN(const auto context, reader.optional_string("context"));
    json::array made;
    std::string heading;
    if (title && !title->empty()) heading = *title;
    if (context && !context->empty()) heading += (heading.empty() ? "" : "\n") + *context;
    if (type == "text") {
        TRY_ASSIGN(const auto text, source.required_string("data"));
        const auto whole = heading.empty() ? text : fmt::format("{}\n\n{}", heading, text);
        made.emplace_back(text_part(whole));
    } else if (type == "content") {
        if (!heading.empty()) made.emplace_back(text_part(heading));
        if (!source.has("content")) return refuse(source.name("content"), "is required");
        const auto& content = *source.find("content");
        if (content.is_string()) {
            made.emplace_back(text_part(content.get_string()));
        } else {
            TRY_ASSIGN(const auto* blocks, source.required_array("content"));
            TRY_ASSIGN(auto inner, parts(*blocks, source.name("content")));
            for (auto& one : inner) made.push_back(std::move(one));
        }
    } else if (type == "base64") {
        TRY_ASSIGN(const auto data, data_url(source));
        only_text = false;
        const std::string name = title && !title->empty() ? *title : "document.pdf";
        made.emplace_back(json::object{{"type", "file"}, {"file", {{"filename", name}, {"file_data", data}}}});
    } else if (type == "file") {
        TRY_ASSIGN(const auto id, source.required_string("file_id"));
        only_text = false;
        made.emplace_back(json::object{{"type", "file"}, {"file", {{"file_id", id}}}});
    } else {
        return refuse(source.name("type"),
                      "must be one of 'base64', 'text', 'content', 'file'; documents are not fetched from URLs");
    }
    if (made.empty()) return refuse(source.name("content"), "must not be empty");
    keep_cache_control(block, made.back().get_object());
    return made;
}

Result<json::value> ChatMessages::part(const json::object& block, const std::string& path) {
    const json::Reader reader(block, path);
    TRY_ASSIGN(const auto text, reader.required_string("text"));
    auto made = text_part(text);
    keep_cache_control(block, made);
    return json::value(std::move(made));
}

Result<> ChatMessages::append(const json::object& block, const std::string& path, json::array& out) {
    const json::Reader reader(block, path);
    TRY_ASSIGN(const auto type, reader.required_string("type"));
    if (type == "text") {
        TRY_ASSIGN(auto one, part(block, path));
        out.push_back(std::move(one));
    } else if (type == "image") {
        TRY_ASSIGN(auto one, image(block, path));
        out.push_back(std::move(one));
    } else if (type == "document") {
        TRY_ASSIGN(auto some, document(block, path));
        for (auto& one : some) out.push_back(std::move(one));
    } else if (type == "search_result") {
        TRY_ASSIGN(const auto title, reader.required_string("title"));
        TRY_ASSIGN(const auto source, reader.required_string("source"));
        out.emplace_back(text_part(fmt::format("{} ({})", title, source)));
        TRY_ASSIGN(const auto* content, reader.required_array("content"));
        TRY_ASSIGN(auto inner, parts(*content, reader.name("content")));
        for (auto& one : inner) out.push_back(std::move(one));
    } else {
        return fail(unsupported_block(reader, type, "user"));
    }
    return {};
}

Result<json::array> ChatMessages::parts(const json::array& blocks, const std::string& path) {
    json::array made;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        TRY_ASSIGN(const auto* block, object_at(blocks, i, at(path, i)));
        TRY(append(*block, at(path, i), made));
    }
    return made;
}

Result<> ChatMessages::add_tool_result(const json::object& block, const std::string& path, json::array& following) {
    const json::Reader reader(block, path);
    TRY_ASSIGN(const auto id, reader.required_string("tool_use_id"));
    TRY(reader.optional_bool("is_error"));
    json::object message{{"role", "tool"}, {"tool_call_id", id}};
    json::array text;
    if (reader.has("content")) {
        const auto& content = *reader.find("content");
        if (content.is_string()) {
            text.emplace_back(text_part(content.get_string()));
        } else if (content.is_array()) {
            TRY_ASSIGN(auto all, parts(content.get_array(), reader.name("content")));
            // The answer of a tool is text in OpenAI's format; what else it returned follows as the user's.
            for (auto& one : all) {
                auto& into = json::string_or(one.get_object(), "type") == "text" ? text : following;
                into.push_back(std::move(one));
            }
        } else {
            return refuse(reader.name("content"), "must be a string or an array of blocks");
        }
    }
    if (text.empty()) {
        message["content"] = "";
    } else {
        message["content"] = plain_or_parts(std::move(text));
    }
    keep_cache_control(block, message);
    messages.emplace_back(std::move(message));
    return {};
}

Result<> ChatMessages::add_user(const json::array& blocks, const std::string& path) {
    json::array rest;
    json::array from_tools;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto here = at(path, i);
        TRY_ASSIGN(const auto* block, object_at(blocks, i, here));
        if (json::string_or(*block, "type") == "tool_result") {
            TRY(add_tool_result(*block, here, from_tools));
            continue;
        }
        TRY(append(*block, here, rest));
    }
    for (auto& one : rest) from_tools.push_back(std::move(one));
    if (from_tools.empty()) return {};
    messages.emplace_back(json::object{{"role", "user"}, {"content", plain_or_parts(std::move(from_tools))}});
    return {};
}

Result<> ChatMessages::add_assistant(const json::array& blocks, const std::string& path) {
    AssistantTurn turn;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto here = at(path, i);
        TRY_ASSIGN(const auto* block, object_at(blocks, i, here));
        const json::Reader reader(*block, here);
        TRY_ASSIGN(const auto type, reader.required_string("type"));
        if (type == "text") {
            TRY_ASSIGN(auto one, part(*block, here));
            turn.text.push_back(std::move(one));
        } else if (type == "thinking") {
            TRY_ASSIGN(const auto thinking, reader.required_string("thinking"));
            TRY(reader.optional_string("signature"));
            turn.reasoning += thinking;
            turn.thinking.emplace_back(*block);
        } else if (type == "redacted_thinking") {
            TRY(reader.required_string("data"));
            turn.thinking.emplace_back(*block);
        } else if (type == "tool_use") {
            TRY_ASSIGN(const auto id, reader.required_string("id"));
            TRY_ASSIGN(const auto name, reader.required_string("name"));
            TRY_ASSIGN(const auto* input, reader.required_object("input"));
            const auto arguments = json::serialize(*input);
            json::object call{
                {"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
            keep_cache_control(*block, call);
            turn.calls.emplace_back(std::move(call));
        } else {
            return fail(unsupported_block(reader, type, "assistant"));
        }
    }
    messages.emplace_back(std::move(turn).message());
    return {};
}

Result<> ChatMessages::add(const json::object& message, const std::string& path) {
    const json::Reader reader(message, path);
    TRY_ASSIGN(const auto role, reader.required_string("role"));
    TRY(check_word(reader, "role", {"user", "assistant", "system"}));
    if (!reader.has("content"))
        return refuse(reader.name("content"), "is required and must be a string or an array of blocks");
    const auto& content = *reader.find("content");
    if (content.is_string()) {
        messages.emplace_back(json::object{{"role", role}, {"content", content}});
        return {};
    }
    if (!content.is_array()) return refuse(reader.name("content"), "must be a string or an array of blocks");
    const auto& blocks = content.get_array();
    if (role == "system") return add_system(content, reader.name("content"));
    if (blocks.empty()) return refuse(reader.name("content"), "must have at least one block");
    return role == "user" ? add_user(blocks, reader.name("content")) : add_assistant(blocks, reader.name("content"));
}

Result<> ChatMessages::add_system(const json::value& system, const std::string& path) {
    if (system.is_string()) {
        if (!system.get_string().empty()) messages.emplace_back(json::object{{"role", "system"}, {"content", system}});
        return {};
    }
    if (!system.is_array()) return refuse(path, "must be a string or an array of text blocks");
    const auto& blocks = system.get_array();
    json::array made;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto here = at(path, i);
        TRY_ASSIGN(const auto* block, object_at(blocks, i, here));
        const json::Reader reader(*block, here);
        TRY(reader.required_string("type"));
        TRY(check_word(reader, "type", {"text"}));
        TRY_ASSIGN(auto one, part(*block, here));
        made.push_back(std::move(one));
    }
    if (!made.empty())
        messages.emplace_back(json::object{{"role", "system"}, {"content", plain_or_parts(std::move(made))}});
    return {};
}

}  // namespace atrium::gateway
