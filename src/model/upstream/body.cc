// Bodies for upstreams: the caller's bytes or object, with the members changed that have to be.
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

}  // namespace

std::string openai_body(const UpstreamCall& call, const json::object& extra) {
    return write(call.request->object, call.model, extra);
}

std::string native_body(const UpstreamCall& call) {
    auto object = json::parse_object(call.request->native->text);
    // The gateway has parsed these bytes before; an empty object lets the upstream say what is wrong.
    const json::object stream{{"stream", true}};
    return write(object ? *object : json::object(), call.model, call.stream ? stream : json::object());
}

}  // namespace atrium::model
