#include <algorithm>

#include "base/text.h"
#include "platform/http/client.h"

namespace atrium::http {
namespace {

/// Without what may be a user name and password: everything up to the last '@', wherever a mistake has put it.
std::string without_credentials(std::string_view text) {
    const std::size_t at = text.rfind('@');
    if (at == std::string_view::npos) return text::shorten(text::to_valid_utf8(text), 200);
    return "(hidden)" + text::shorten(text::to_valid_utf8(text.substr(at)), 200);
}

auto bad_url(std::string_view text, const char* why) {
    return fail(invalid_argument("'" + without_credentials(text) + "' is not a URL Atrium can use: " + why));
}

bool is_host_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

std::uint16_t default_port(std::string_view scheme) {
    return scheme == "https" ? 443 : scheme == "http" ? 80 : 0;
}

std::string authority(const Url& url) {
    return url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
    if (std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c >= 0x7f; })) {
        return bad_url(text, "it holds a space, a control character or a character that must be percent-encoded");
    }
    Url url;
    if (text.starts_with("unix:")) {
        url.scheme = "unix";
        std::string_view rest = text.substr(5);
        if (!rest.starts_with('/')) return bad_url(text, "the socket path must be absolute");
        const std::size_t colon = rest.find(":/");
        url.host = rest.substr(0, colon);
        if (colon != std::string_view::npos) url.target = rest.substr(colon + 1);
    } else {
        const std::size_t separator = text.find("://");
        if (separator == std::string_view::npos) return bad_url(text, "it must begin with http://, https:// or unix:");
        url.scheme = text::to_lower_ascii(text.substr(0, separator));
        if (url.scheme != "http" && url.scheme != "https")
            return bad_url(text, "the scheme must be http, https or unix");
        const std::string_view rest = text.substr(separator + 3);
        const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
        std::string_view place = rest.substr(0, end);
        if (place.find('@') != std::string_view::npos) return bad_url(text, "it must not hold a user name or password");
        url.target = rest.substr(end);
        std::string_view port;
        if (place.starts_with('[')) {
            const std::size_t close = place.find(']');
            if (close == std::string_view::npos) return bad_url(text, "the address lacks its ']'");
            url.host = place.substr(1, close - 1);
            port = place.substr(close + 1);
            if (!port.empty() && port.front() != ':') return bad_url(text, "the port is malformed");
            const auto is_address_byte = [](char c) {
                return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
                       c == '.';
            };
            if (url.host.find(':') == std::string::npos || !std::ranges::all_of(url.host, is_address_byte)) {
                return bad_url(text, "the address is malformed");
            }
        } else {
            const std::size_t colon = std::min(place.find(':'), place.size());
            url.host = text::to_lower_ascii(place.substr(0, colon));
            port = place.substr(colon);
            if (url.host.empty()) return bad_url(text, "it has no host");
            if (!std::ranges::all_of(url.host, is_host_byte)) return bad_url(text, "the host is malformed");
        }
        url.port = default_port(url.scheme);
        if (port.size() > 1) {
            const auto number = text::to_int(port.substr(1));
            if (!number || *number < 1 || *number > 65535) return bad_url(text, "the port is malformed");
            url.port = static_cast<std::uint16_t>(*number);
        }
    }
    url.target = url.target.substr(0, url.target.find('#'));
    if (!url.target.starts_with('/')) url.target.insert(0, "/");
    return url;
}

std::string Url::origin() const {
    if (scheme == "unix") return "unix:" + host;
    return scheme + "://" + authority(*this) + ":" + std::to_string(port);
}

std::string Url::to_string() const {
    if (scheme == "unix") return "unix:" + host + ":" + target;
    const std::string suffix = port == default_port(scheme) ? "" : ":" + std::to_string(port);
    return scheme + "://" + authority(*this) + suffix + target;
}

}  // namespace atrium::http
