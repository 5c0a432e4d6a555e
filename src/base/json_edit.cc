#include "base/json_edit.h"

#include <algorithm>
#include <charconv>

#include "base/internal/json_walker.h"

namespace atrium::json {

using internal::skip_plain;
using internal::unescaped;
using internal::utf8_length;
using internal::Walker;

bool ObjectText::Member::is(std::string_view wanted) const {
    return escaped ? unescaped(name) == wanted : name == wanted;
}

Result<ObjectText> ObjectText::scan(std::string_view text) {
    ObjectText object;
    object.text_ = text;
    object.members_.reserve(16);
    Walker walker(text);
    walker.space();
    if (!walker.take('{')) return walker.refuse("the JSON document must be an object"), walker.error();
    walker.space();
    if (!walker.take('}')) {
        while (true) {
            if (object.members_.size() == kMaxMembers) return walker.refuse("too many members"), walker.error();
            Member member;
            const char* const quote = walker.at();
            if (!walker.name(&member.escaped)) return walker.error();
            // Between the first quote and the colon, spaces aside, stands the name with its last quote.
            const char* name_end = walker.at();
            while (*--name_end != ':') {
            }
            while (*--name_end != '"') {
            }
            member.name = {quote + 1, name_end};
            const char* const value = walker.at();
            if (!walker.value(1)) return walker.error();
            member.value = {value, walker.at()};
            object.members_.push_back(member);
            walker.space();
            if (walker.take('}')) break;
            if (!walker.take(',')) return walker.refuse("a comma or the end of the object is expected"), walker.error();
            walker.space();
        }
    }
    walker.space();
    if (!walker.at_end()) return walker.refuse("unexpected content after the value"), walker.error();
    return object;
}

std::string_view ObjectText::find(std::string_view name) const {
    const auto found = std::find_if(members_.rbegin(), members_.rend(), [&](const Member& m) { return m.is(name); });
    return found == members_.rend() ? std::string_view() : found->value;
}

std::string_view ObjectText::find(std::string_view outer, std::string_view inner) const {
    const std::string_view value = find(outer);
    if (!value.starts_with('{')) return {};
    const auto object = scan(value);
    return object ? object->find(inner) : std::string_view();
}

std::string ObjectText::edited(std::span<const Edit> edits) const {
    std::size_t room = text_.size();
    for (const Edit& edit : edits) room += edit.name.size() + edit.value.size() + 8;
    std::string out;
    out.reserve(room);

    std::uint64_t small_done = 0;  // bit per edit whose value stands in the output; there are never many
    std::vector<bool> many_done(edits.size() > 64 ? edits.size() : 0);
    const auto done = [&](std::size_t i) { return i < 64 ? (small_done >> i & 1) != 0 : many_done[i]; };
    const auto mark = [&](std::size_t i) {
        i < 64 ? void(small_done |= std::uint64_t{1} << i) : void(many_done[i] = true);
    };

    // `kept`: from here on the text is to be copied as it is, up to the next change.
    const char* kept = text_.data();
    bool any = false;  // a member stands in the output
    const char* previous_end = nullptr;
    for (const Member& member : members_) {
        const auto edit = std::ranges::find_if(edits, [&](const Edit& e) { return member.is(e.name); });
        const auto index = static_cast<std::size_t>(edit - edits.begin());
        const bool drop = edit != edits.end() && (edit->value.empty() || done(index));
        if (drop) {
            // The comma before it goes with it; the first member has none: see below.
            out.append(kept, previous_end != nullptr ? previous_end : member.begin());
            kept = member.end();
        } else {
            // All members before it are gone: so is the comma.
            if (!any && previous_end != nullptr) kept = member.begin();
            if (edit != edits.end()) {
                out.append(kept, member.value.data());
                out.append(edit->value);
                kept = member.end();
                mark(index);
            }
            any = true;
        }
        previous_end = member.end();
    }
    const char* const brace = text_.data() + text_.rfind('}');
    if (previous_end == nullptr) previous_end = brace;
    out.append(kept, previous_end);
    for (std::size_t i = 0; i < edits.size(); ++i) {
        if (done(i) || edits[i].value.empty()) continue;
        if (std::exchange(any, true)) out.push_back(',');
        out.append(quote(edits[i].name)).append(":").append(edits[i].value);
    }
    out.append(previous_end, text_.data() + text_.size());
    return out;
}

Result<std::vector<std::string_view>> elements(std::string_view array, std::size_t limit) {
    std::vector<std::string_view> found;
    Walker walker(array);
    walker.space();
    if (!walker.take('[')) return walker.refuse("an array is expected"), walker.error();
    walker.space();
    if (!walker.take(']')) {
        while (true) {
            if (found.size() == limit) return walker.refuse("too many elements"), walker.error();
            const char* const begin = walker.at();
            if (!walker.value(1)) return walker.error();
            found.emplace_back(begin, walker.at());
            walker.space();
            if (walker.take(']')) break;
            if (!walker.take(',')) return walker.refuse("a comma or the end of the array is expected"), walker.error();
            walker.space();
        }
    }
    walker.space();
    if (!walker.at_end()) return walker.refuse("unexpected content after the value"), walker.error();
    return found;
}

std::optional<std::string> string_value(std::string_view text) {
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
    return unescaped(text.substr(1, text.size() - 2));
}

std::optional<std::int64_t> integer_value(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<bool> bool_value(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::nullopt;
}

void append_quoted(std::string& out, std::string_view characters) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    out.push_back('"');
    const char* const end = characters.data() + characters.size();
    for (const char* at = characters.data(); at != end;) {
        const char* const next = skip_plain(at, end);
        out.append(at, next);
        at = next;
        if (at == end) break;
        if (static_cast<signed char>(*at) < 0) {
            const int length = utf8_length(at, end);
            if (length > 0)
                out.append(at, static_cast<std::size_t>(length));
            else
                out.append("\xef\xbf\xbd");
            at += std::max(length, 1);
            continue;
        }
        const char c = *at++;
        const std::string_view names = "\"\"\\\\\bb\ff\nn\rr\tt";
        out.push_back('\\');
        std::size_t i = 0;
        while (i < names.size() && names[i] != c) i += 2;
        if (i < names.size()) {
            out.push_back(names[i + 1]);
        } else {
            out.append("u00").push_back(kHex[static_cast<unsigned char>(c) >> 4]);
            out.push_back(kHex[c & 15]);
        }
    }
    out.push_back('"');
}

std::string quote(std::string_view characters) {
    std::string out;
    out.reserve(characters.size() + 2);
    append_quoted(out, characters);
    return out;
}

}  // namespace atrium::json
