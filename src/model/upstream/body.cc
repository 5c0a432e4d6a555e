// Bodies for upstreams: the caller's bytes or object, with the members changed that have to be.
#include "base/json_edit.h"
#include "model/upstream/dialect.h"

namespace atrium::model {
namespace {

void append_member(std::string& out, std::string_view key, const json::value& value) {
    out += out.size() > 1 ? "," : "";
    out += json::serialize(json::value(key));
    out += ':';
    out += json::serialize(value);
}

/// Writes the members one by one, so that a large object is not copied for the sake of a changed name.
std::string write(const json::object& object, std::string_view model, const json::object& extra) {
    std::string out = "{";
    append_member(out, "model", json::value(model));
    for (const auto& [key, value] : object) {
        const bool ours = key == "model" || key == "stream" || key == "stream_options" || extra.contains(key);
        if (!ours) append_member(out, key, value);
    }
    for (const auto& [key, value] : extra) append_member(out, key, value);
    return out + "}";
}

/// The bytes of the caller with the changed members in place.
Result<std::string> splice(std::string_view text, std::string_view model, const json::object& extra) {
    TRY_ASSIGN(const auto object, json::ObjectText::scan(text));
    std::vector<std::string> values;
    values.reserve(1 + extra.size());  // the edits refer to them
    values.push_back(json::quote(model));
    std::vector<json::Edit> edits{{"model", values.front()}};
    for (const auto& [key, value] : extra) {
        values.push_back(json::serialize(value));
        edits.push_back({key, values.back()});
    }
    for (const std::string_view ours : {"stream", "stream_options"}) {
        if (!extra.contains(ours)) edits.push_back({ours, {}});
    }
    return object.edited(edits);
}

}  // namespace

std::string openai_body(const UpstreamCall& call, const json::object& extra) {
    const ModelRequest& request = *call.request;
    if (request.text.empty()) return write(request.object, call.model, extra);
    if (auto spliced = splice(request.text, call.model, extra)) return std::move(*spliced);
    return write(request.object, call.model, extra);
}

std::string native_body(const UpstreamCall& call) {
    const json::object extra = call.stream ? json::object{{"stream", true}} : json::object();
    // The gateway has parsed these bytes before; if they are broken the upstream may say so.
    return splice(call.request->native->text, call.model, extra).value_or(call.request->native->text);
}

}  // namespace atrium::model
