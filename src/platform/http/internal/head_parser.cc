#include "platform/http/internal/head_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace beast_http = boost::beast::http;

namespace atrium::http::internal {
namespace {

// Heads are bounded by whoever reads them; Beast's own limit only has to be out of the way.
constexpr std::uint32_t kNoHeadLimit = std::numeric_limits<std::uint32_t>::max();

constexpr std::size_t kMaxFields = 256;

constexpr bool is_token_byte(unsigned char c) {
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return true;
    return std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

constexpr auto kLineBytes = [] {
    std::array<bool, 256> allowed{};
    for (int c = 0; c < 256; ++c) allowed[static_cast<std::size_t>(c)] = c == '\t' || (c >= 0x20 && c != 0x7f);
    return allowed;
}();

bool is_line_byte(char c) {
    return kLineBytes[static_cast<unsigned char>(c)];
}

Method method_of(std::string_view name) {
    if (name == "GET") return Method::kGet;
    if (name == "POST") return Method::kPost;
    if (name == "HEAD") return Method::kHead;
    if (name == "PUT") return Method::kPut;
    if (name == "PATCH") return Method::kPatch;
    if (name == "DELETE") return Method::kDelete;
    if (name == "OPTIONS") return Method::kOptions;
    return Method::kOther;
}

/// Beast's parser, told to hand over start line and fields and to leave the body alone.
template <bool kRequest>
class HeadParser final : public beast_http::basic_parser<kRequest> {
public:
    HeadParser() { this->header_limit(kNoHeadLimit), this->body_limit(boost::none); }

    /// The whole head, or an explanation.
    boost::beast::error_code parse(std::string_view bytes) {
        boost::beast::error_code error;
        this->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
        if (!error && !this->is_header_done()) error = beast_http::error::partial_message;
        return error;
    }

    beast_http::verb verb = beast_http::verb::unknown;
    std::string_view method, target;
    int version = 0, status = 0;
    Headers headers;
    std::size_t hosts = 0, lengths = 0, codings = 0;
    std::string_view host, length, coding, expect;

private:
    using Error = boost::beast::error_code;
    using View = boost::beast::string_view;
    static std::string_view view(View bytes) { return {bytes.data(), bytes.size()}; }

    void on_request_impl(beast_http::verb v, View m, View t, int n, Error&) override {
        verb = v, method = view(m), target = view(t), version = n;
    }
    void on_response_impl(int code, View, int n, Error&) override { status = code, version = n; }
    void on_field_impl(beast_http::field field, View name, View value, Error& error) override {
        if (headers.size() >= kMaxFields) {
            error = beast_http::error::header_limit;
            return;
        }
        switch (field) {
            case beast_http::field::host: ++hosts, host = view(value); break;
            case beast_http::field::content_length: ++lengths, length = view(value); break;
            case beast_http::field::transfer_encoding: ++codings, coding = view(value); break;
            case beast_http::field::expect: expect = view(value); break;
            default: break;
        }
        headers.add(std::string(name), std::string(value));
    }
    void on_header_impl(Error&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
    std::size_t on_body_impl(View, Error&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, View, Error&) override { return 0; }
    void on_finish_impl(Error&) override {}
};

std::optional<std::uint64_t> parse_length(std::string_view digits) {
    if (digits.empty() || digits.size() > 18) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

bool is_host(std::string_view host) {
    return std::ranges::all_of(host, [](char c) {
        return c > 0x20 && c < 0x7f && std::string_view("/?#@\\\"<>^`{|}").find(c) == std::string_view::npos;
    });
}

auto bad_request(std::string message) {
    return fail(invalid_argument(std::move(message)));
}

}  // namespace

bool is_token(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return is_token_byte(static_cast<unsigned char>(c)); });
}

bool is_field_value(std::string_view text) {
    return std::ranges::all_of(text, is_line_byte);
}

HeadScanner::State HeadScanner::bad(std::string_view defect) {
    defect_ = defect;
    return State::kBad;
}

HeadScanner::State HeadScanner::scan(std::string_view input) {
    while (at_ < input.size()) {
        const char c = input[at_];
        if (is_line_byte(c)) {
            if (at_ == line_ && (c == ' ' || c == '\t')) return bad("a line of the head begins with white space");
            ++at_;
            continue;
        }
        if (c == '\n') return bad("a line of the head ends with a bare LF");
        if (c != '\r') return bad("the head holds a control character");
        if (at_ + 1 == input.size()) return State::kMore;
        if (input[at_ + 1] != '\n') return bad("the head holds a bare CR");
        const bool empty_line = at_ == line_;
        at_ += 2;
        if (empty_line) return State::kDone;
        line_ = at_;
    }
    return State::kMore;
}

Result<> split_target(std::string_view target, RequestHead& head) {
    const std::size_t mark = target.find('?');
    const std::string_view raw = target.substr(0, mark);
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '%') continue;
        const auto is_hex = [&](std::size_t at) {
            return at < raw.size() &&
                   std::string_view("0123456789abcdefABCDEF").find(raw[at]) != std::string_view::npos;
        };
        if (!is_hex(i + 1) || !is_hex(i + 2)) return bad_request("the path holds a wrong percent sequence");
    }
    head.path = raw.find('%') == std::string_view::npos ? std::string(raw) : percent_decode(raw);
    head.query = mark == std::string_view::npos ? std::string() : std::string(target.substr(mark + 1));
    if (std::ranges::any_of(head.path, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
        return bad_request("the path holds a control character");
    }
    if (!text::is_utf8(head.path)) return bad_request("the path is not valid UTF-8");
    if (head.path.find("/.") != std::string::npos) {
        for (const std::string_view segment : text::split(head.path, '/')) {
            if (segment == "." || segment == "..") return bad_request("the path holds a '.' or '..' segment");
        }
    }
    return {};
}

Result<ParsedRequest> parse_request_head(std::string_view bytes) {
    HeadParser<true> parser;
    if (const auto error = parser.parse(bytes)) {
        if (parser.codings > 0 && parser.lengths > 0) {
            return bad_request("the request has both Content-Length and Transfer-Encoding");
        }
        if (error == beast_http::error::header_limit) {
            return fail(out_of_range("the request head has more than " + std::to_string(kMaxFields) + " fields"));
        }
        return bad_request("the request head is malformed: " + error.message());
    }
    ParsedRequest request;
    request.http11 = parser.version >= 11;
    request.keep_alive = parser.keep_alive();
    request.head.method = method_of(parser.method);
    request.method = parser.method;
    request.head.target = parser.target;

    if (parser.hosts > 1) return bad_request("the request has more than one Host");
    if (parser.hosts == 0 && request.http11) return bad_request("the request has no Host");
    if (!is_host(parser.host)) return bad_request("the Host is malformed");

    if (parser.lengths > 1) return bad_request("the request has more than one Content-Length");
    if (parser.codings > 1) return bad_request("the request has more than one Transfer-Encoding");
    if (parser.lengths && parser.codings) {
        return bad_request("the request has both Content-Length and Transfer-Encoding");
    }
    if (parser.lengths) {
        request.head.content_length = parse_length(parser.length);
        if (!request.head.content_length) return bad_request("the Content-Length is not a number");
    }
    if (parser.codings) {
        if (!request.http11) return bad_request("Transfer-Encoding in an HTTP/1.0 request");
        if (!text::equals_ignore_case(parser.coding, "chunked")) {
            // Anything but plain chunked has been used to make two servers see two bodies.
            return bad_request("the only Transfer-Encoding accepted is 'chunked'");
        }
        request.chunked = true;
    }
    if (!parser.expect.empty() && request.http11) {
        if (!text::equals_ignore_case(parser.expect, "100-continue")) {
            return fail(failed_precondition("the only expectation accepted is '100-continue'"));
        }
        request.expects_continue = request.chunked || request.head.content_length.value_or(0) > 0;
    }

    std::string_view target = parser.target;
    if (std::ranges::any_of(target, [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '#' || c == '\\'; })) {
        return bad_request("the request target holds a character that must be percent-encoded");
    }
    if (target.front() != '/') {
        if (target == "*" && request.head.method == Method::kOptions) {
            request.head.path = "*";
            request.head.headers = std::move(parser.headers);
            return request;
        }
        // Absolute form, as sent to proxies. It has to agree with Host, or the two name different servers.
        const std::size_t authority = target.starts_with("http://") ? 7 : target.starts_with("https://") ? 8 : 0;
        if (authority == 0) return bad_request("the request target does not begin with '/'");
        const std::size_t slash = std::min(target.find_first_of("/?", authority), target.size());
        if (parser.hosts > 0 && !text::equals_ignore_case(target.substr(authority, slash - authority), parser.host)) {
            return bad_request("the request target and the Host name different servers");
        }
        target.remove_prefix(slash);
    }
    std::string rooted;
    if (!target.starts_with('/')) target = rooted.append("/").append(target);
    TRY(split_target(target, request.head));
    request.head.headers = std::move(parser.headers);
    return request;
}

Result<ParsedResponse> parse_response_head(std::string_view bytes) {
    const auto malformed = [](std::string what) {
        return fail(unavailable("the server's response is malformed: " + what));
    };
    HeadParser<false> parser;
    if (const auto error = parser.parse(bytes)) return malformed(error.message());
    ParsedResponse response;
    response.status = parser.status;
    if (response.status < 100 || response.status > 999) return malformed("bad status");
    if (parser.lengths && parser.codings) return malformed("both Content-Length and Transfer-Encoding");
    if (parser.lengths) {
        response.content_length = parse_length(parser.length);
        if (!response.content_length) return malformed("bad Content-Length");
    }
    if (parser.codings) {
        if (parser.codings > 1 || !text::equals_ignore_case(parser.coding, "chunked")) {
            return malformed("a Transfer-Encoding other than chunked");
        }
        response.chunked = true;
    }
    // Not parser.keep_alive(): that one also depends on whether there is a body, which HEAD decides elsewhere.
    bool close = false, keep = false;
    for (const auto& [name, value] : parser.headers) {
        if (!text::equals_ignore_case(name, "connection")) continue;
        for (const std::string_view option : text::split(value, ',')) {
            close = close || text::equals_ignore_case(text::trim(option), "close");
            keep = keep || text::equals_ignore_case(text::trim(option), "keep-alive");
        }
    }
    response.keep_alive = parser.version >= 11 ? !close : keep && !close;
    response.headers = std::move(parser.headers);
    return response;
}

}  // namespace atrium::http::internal
