#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// Reading and changing a few members of a JSON object in its own text, without building a tree: what passes through a
/// gateway is mostly relayed as it came, byte for byte.
namespace atrium::json {

/// A change of one top-level member. Every member of that name is affected, so that two parsers which disagree about
/// duplicates see the same document afterwards.
struct Edit {
    std::string_view name;   ///< as characters, not as JSON text
    std::string_view value;  ///< JSON text, trusted to be well-formed; empty: the member is removed
};

/// The top level of one JSON object: where its members stand in the text. A view: the text outlives it and does not
/// change. Immutable, any thread.
///
///     TRY_ASSIGN(const auto body, json::ObjectText::scan(text));
///     const auto model = json::string_value(body.find("model"));
///     const json::Edit edits[] = {{"model", "\"gemma\""}, {"stream_options", {}}};
///     send(body.edited(edits));
class ObjectText {
public:
    /// Checks the whole text as strictly as json::parse (depth ≤ 64, well-formed UTF-8, nothing after the object),
    /// except that it does not mind numbers too large for any type. At most kMaxMembers members at the top.
    /// kInvalidArgument with the byte offset of the defect.
    static Result<ObjectText> scan(std::string_view text);
    static constexpr std::size_t kMaxMembers = 1024;

    /// The text of the value of the last member of that name, as parsers with duplicates have it; empty: no such
    /// member.
    std::string_view find(std::string_view name) const;
    /// The same one level deeper: find("usage", "prompt_tokens"). Empty also when the outer value is no object.
    std::string_view find(std::string_view outer, std::string_view inner) const;

    /// The text with the edits applied: values replaced where they stand (repetitions of the name go), new members at
    /// the end in the order of the edits, everything else as it was. The names of the edits differ from each other.
    std::string edited(std::span<const Edit> edits) const;

    std::string_view text() const { return text_; }
    std::size_t size() const { return members_.size(); }

private:
    struct Member {
        std::string_view name;   ///< between its quotes, escapes and all
        std::string_view value;  ///< inside text_
        bool escaped = false;    ///< the name holds a backslash
        bool is(std::string_view wanted) const;
        const char* begin() const { return name.data() - 1; }
        const char* end() const { return value.data() + value.size(); }
    };

    std::string_view text_;
    std::vector<Member> members_;
};

/// The texts of the elements of a JSON array, e.g. of `ObjectText::find("choices")`. kInvalidArgument when it is none
/// or has more than `limit` elements.
Result<std::vector<std::string_view>> elements(std::string_view array, std::size_t limit = 4096);

/// What the text of a value says; nothing when it is of another type, or empty. For texts that have been scanned: of
/// malformed ones some readings are nothing, others arbitrary, none is out of range.
std::optional<std::string> string_value(std::string_view text);
std::optional<std::int64_t> integer_value(std::string_view text);  ///< no fraction, no exponent, fits
std::optional<bool> bool_value(std::string_view text);
inline bool is_null(std::string_view text) {
    return text == "null";
}
/// Absent (empty) or null: what APIs treat as "not given".
inline bool is_absent(std::string_view text) {
    return text.empty() || is_null(text);
}

/// The JSON text of a string. Ill-formed UTF-8 becomes U+FFFD, so that the result is always JSON.
std::string quote(std::string_view characters);
void append_quoted(std::string& out, std::string_view characters);

}  // namespace atrium::json
