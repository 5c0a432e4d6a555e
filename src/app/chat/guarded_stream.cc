#include "app/chat/guarded_stream.h"

#include <fmt/format.h>

namespace atrium::app {
namespace {

constexpr std::size_t kMaxChoices = 128;
constexpr std::size_t kMaxFields = 160;  // content, reasoning and 128 tool calls

json::object* object_at(json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

}  // namespace

/// The clean part of a piece; false when a rule blocks in it.
bool GuardedStream::pass(Choice& state, redaction::StreamFilter::Piece piece, std::string& out) {
    const auto block = policy_->first_block(true, piece.findings);
    if (block != std::string::npos) {
        // What comes before is fine and is passed on; masks that lie before the block still count.
        std::erase_if(piece.findings, [&](const redaction::Finding& finding) { return finding.begin > block; });
        policy_->apply(true, piece.text, piece.findings, verdict_);
        piece.text = piece.text.substr(0, std::min(block, piece.text.size()));
        state.blocked = true;
    } else {
        policy_->apply(true, piece.text, piece.findings, verdict_);
    }
    out += piece.text;
    return !state.blocked;
}

void GuardedStream::filter(Choice& state, const std::string& field, json::object& holder, std::string_view key) {
    auto* value = holder.if_contains(key);
    if (value == nullptr || !value->is_string() || state.blocked) return;
    if (!state.fields.contains(field) && state.fields.size() >= kMaxFields) {
        state.blocked = true;  // nobody writes so many tool calls
        return;
    }
    auto& filter = state.fields.try_emplace(field, policy_->scanner(true)).first->second;
    std::string out;
    pass(state, filter.feed(value->get_string()), out);
    *value = out;
}

/// What is held of a choice, into its last chunk.
void GuardedStream::flush(Choice& state, json::object& choice) {
    for (auto& [field, filter] : state.fields) {
        if (state.blocked) break;
        std::string rest;
        pass(state, filter.finish(), rest);
        if (rest.empty()) continue;
        if (field == "text") {
            const auto had = json::string_or(choice, "text");
            choice["text"] = std::string(had) + rest;
            continue;
        }
        auto* delta = object_at(choice, "delta");
        if (delta == nullptr) delta = &choice["delta"].emplace_object();
        if (field.starts_with("tool:")) {
            const auto index = std::stoll(field.substr(5));
            auto& calls = (*delta)["tool_calls"];
            if (!calls.is_array()) calls.emplace_array();
            calls.get_array().push_back(
                json::object{{"index", index}, {"function", json::object{{"arguments", rest}}}});
        } else {
            const auto had = json::string_or(*delta, field);
            (*delta)[field] = std::string(had) + rest;
        }
    }
}

void GuardedStream::take_choice(json::object& choice, std::vector<json::value>& more) {
    const auto* index = choice.if_contains("index");
    const std::int64_t number = index != nullptr && index->is_int64() ? index->get_int64() : 0;
    if (!choices_.contains(number) && choices_.size() >= kMaxChoices) return;
    Choice& state = choices_[number];
    if (state.blocked) return;
    filter(state, "text", choice, "text");
    if (auto* delta = object_at(choice, "delta")) {
        filter(state, "content", *delta, "content");
        filter(state, "reasoning_content", *delta, "reasoning_content");
        if (auto* calls = delta->if_contains("tool_calls"); calls != nullptr && calls->is_array()) {
            for (auto& item : calls->get_array()) {
                if (!item.is_object()) continue;
                auto& call = item.get_object();
                const auto* at = call.if_contains("index");
                const auto tool = at != nullptr && at->is_int64() ? at->get_int64() : 0;
                if (auto* function = object_at(call, "function"))
                    filter(state, fmt::format("tool:{}", tool), *function, "arguments");
            }
        }
    }
    if (!state.blocked && !json::string_or(choice, "finish_reason").empty()) flush(state, choice);
    if (state.blocked) choice["finish_reason"] = "content_filter";
    more.emplace_back(choice);
}

Result<std::vector<std::string>> GuardedStream::take(std::string_view data) {
    if (data == "[DONE]" || !policy_->guards(true)) return std::vector<std::string>{std::string(data)};
    TRY_ASSIGN(auto chunk, json::parse_object(data));
    auto* choices = chunk.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->get_array().empty())
        return std::vector<std::string>{std::string(data)};
    std::vector<json::value> kept;
    for (auto& item : choices->get_array()) {
        if (item.is_object()) take_choice(item.get_object(), kept);
    }
    if (kept.empty()) return std::vector<std::string>{};
    *choices = json::array(kept.begin(), kept.end());
    return std::vector<std::string>{json::serialize(chunk)};
}

}  // namespace atrium::app
