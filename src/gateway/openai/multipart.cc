#include "gateway/openai/multipart.h"

#include <algorithm>

#include "base/text.h"
#include "platform/http/message.h"

namespace atrium::gateway {

namespace {

std::unexpected<Error> malformed(std::string_view what) {
    return fail(invalid_argument("the multipart body is malformed: " + std::string(what)).with_reason("invalid_multipart"));
}

/// WHATWG form encoding escapes exactly these in names.
std::string unescape_percent(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto three = text.substr(i, 3);
        if (text::equals_ignore_case(three, "%22")) {
            out.push_back('"');
            i += 2;
        } else if (text::equals_ignore_case(three, "%0d") || text::equals_ignore_case(three, "%0a")) {
            i += 2;  // no line breaks in names
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

/// RFC 5987: charset'language'percent-encoded.
std::optional<std::string> decode_extended(std::string_view value) {
    const auto first = value.find('\'');
    const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const auto charset = value.substr(0, first);
    std::string bytes = http::percent_decode(value.substr(second + 1));
    if (text::equals_ignore_case(charset, "utf-8")) return bytes;
    if (!text::equals_ignore_case(charset, "iso-8859-1")) return std::nullopt;
    std::string utf8;
    for (const char c : bytes) text::append_utf8(utf8, static_cast<unsigned char>(c));
    return utf8;
}

/// Reads a quoted string whose opening quote has been taken; `i` ends behind the closing one.
std::string quoted_string(std::string_view header, std::size_t& i) {
    std::string value;
    for (; i < header.size() && header[i] != '"'; ++i) {
        const bool escape = header[i] == '\\' && i + 1 < header.size() && (header[i + 1] == '"' || header[i + 1] == '\\');
        if (escape) ++i;
        value.push_back(header[i]);
    }
    if (i < header.size()) ++i;
    return value;
}

/// The raw value, without decoding.
std::optional<std::string> raw_parameter(std::string_view header, std::string_view name) {
    std::size_t i = header.find(';');
    while (i != std::string_view::npos && i < header.size()) {
        ++i;  // the semicolon
        const auto equals = header.find_first_of("=;", i);
        if (equals == std::string_view::npos) return std::nullopt;
        if (header[equals] == ';') {
            i = equals;
            continue;
        }
        const auto key = text::trim(header.substr(i, equals - i));
        i = equals + 1;
        while (i < header.size() && (header[i] == ' ' || header[i] == '\t')) ++i;
        std::string value;
        if (i < header.size() && header[i] == '"') {
            ++i;
            value = quoted_string(header, i);
            i = header.find(';', i);
        } else {
            const auto end = std::min(header.find(';', i), header.size());
            value = std::string(text::trim(header.substr(i, end - i)));
            i = end;
        }
        if (text::equals_ignore_case(key, name)) return value;
    }
    return std::nullopt;
}

bool is_boundary(std::string_view boundary) {
    if (boundary.empty() || boundary.size() > 70 || boundary.ends_with(' ')) return false;
    return std::all_of(boundary.begin(), boundary.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

std::optional<std::string> header_parameter(std::string_view header, std::string_view name) {
    if (const auto extended = raw_parameter(header, std::string(name) + "*")) {
        if (auto decoded = decode_extended(*extended)) return decoded;
    }
    auto plain = raw_parameter(header, name);
    return plain ? std::optional(unescape_percent(*plain)) : std::nullopt;
}

// The first delimiter may open the body: a line break in front makes it look like all others.
MultipartParser::MultipartParser(std::string boundary, Limits limits)
    : limits_(limits), delimiter_("\r\n--" + std::move(boundary)), buffer_("\r\n") {}

Result<MultipartParser> MultipartParser::from_content_type(std::string_view content_type, Limits limits) {
    const auto type = text::trim(content_type.substr(0, content_type.find(';')));
    if (!text::equals_ignore_case(type, "multipart/form-data")) {
        return fail(invalid_argument("Content-Type must be multipart/form-data").with_reason("unsupported_media_type"));
    }
    auto boundary = raw_parameter(content_type, "boundary");
    if (!boundary || !is_boundary(*boundary)) return malformed("Content-Type has no valid boundary");
    return MultipartParser(std::move(*boundary), limits);
}

Result<std::vector<MultipartParser::Event>> MultipartParser::feed(std::string_view bytes) {
    buffer_ += bytes;
    std::vector<Event> events;
    for (;;) {
        TRY_ASSIGN(const bool more, step(events));
        if (!more) return events;
    }
}

Result<> MultipartParser::finish() const {
    if (state_ != State::kEpilogue) return malformed("it ends before the closing delimiter");
    return {};
}

/// Consumes what it can of the buffer; false when it needs more bytes.
Result<bool> MultipartParser::step(std::vector<Event>& events) {
    switch (state_) {
        case State::kPreamble:
        case State::kData: {
            const auto found = buffer_.find(delimiter_);
            // A delimiter may be cut in two: its possible beginning stays.
            const auto take = found != std::string::npos ? found : buffer_.size() - std::min(buffer_.size(), delimiter_.size() - 1);
            if (state_ == State::kData && take > 0) {
                Event event;
                event.data = buffer_.substr(0, take);
                events.push_back(std::move(event));
            }
            if (found == std::string::npos) {
                buffer_.erase(0, take);
                return false;
            }
            buffer_.erase(0, found + delimiter_.size());
            if (state_ == State::kData) {
                events.emplace_back();
                events.back().kind = Kind::kEnd;
            }
            state_ = State::kAfterDelimiter;
            return true;
        }
        case State::kAfterDelimiter: {
            if (buffer_.size() < 2) return false;
            if (buffer_.starts_with("--")) {
                state_ = State::kEpilogue;
                return true;
            }
            const auto text = buffer_.find_first_not_of(" \t");
            if (text == std::string::npos || buffer_.size() < text + 2) {
                if (buffer_.size() > limits_.header_bytes) return malformed("a delimiter line does not end");
                return false;
            }
            if (buffer_.compare(text, 2, "\r\n") != 0) return malformed("a delimiter is not followed by a line break");
            if (++parts_ > limits_.parts) {
                return fail(out_of_range("the multipart body has more than " + std::to_string(limits_.parts) + " parts"));
            }
            // The line break stays, so that an empty header block is CRLF CRLF as well.
            buffer_.erase(0, text);
            state_ = State::kHeaders;
            return true;
        }
        case State::kHeaders: {
            const auto end = buffer_.find("\r\n\r\n");
            if (end == std::string::npos ? buffer_.size() > limits_.header_bytes : end > limits_.header_bytes) {
                return fail(out_of_range("the headers of a part are longer than " + std::to_string(limits_.header_bytes) + " bytes"));
            }
            if (end == std::string::npos) return false;
            TRY_ASSIGN(auto event, parse_headers(std::string_view(buffer_).substr(0, end)));
            events.push_back(std::move(event));
            buffer_.erase(0, end + 4);
            state_ = State::kData;
            return true;
        }
        case State::kEpilogue: buffer_.clear(); return false;
    }
    return false;
}

Result<MultipartParser::Event> MultipartParser::parse_headers(std::string_view block) const {
    Event event;
    event.kind = Kind::kBegin;
    bool has_disposition = false;
    for (auto line : text::split(block, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) continue;
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return malformed("a part has a header without a colon");
        const auto name = text::trim(line.substr(0, colon));
        const auto value = text::trim(line.substr(colon + 1));
        if (text::equals_ignore_case(name, "content-type")) event.content_type = std::string(value);
        if (!text::equals_ignore_case(name, "content-disposition")) continue;
        if (has_disposition) return malformed("a part has two Content-Disposition headers");
        has_disposition = true;
        if (!text::equals_ignore_case(text::trim(value.substr(0, value.find(';'))), "form-data")) {
            return malformed("a part is not form-data");
        }
        const auto field = header_parameter(value, "name");
        if (!field || field->empty()) return malformed("a part has no name");
        event.name = text::to_valid_utf8(*field);
        event.filename = header_parameter(value, "filename");
    }
    if (!has_disposition) return malformed("a part has no Content-Disposition");
    return event;
}

}  // namespace atrium::gateway
