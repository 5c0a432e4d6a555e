#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace atrium::http {

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
std::string_view method_name(Method method);

/// Header fields in order of arrival; names compare without case. Few fields, so a vector beats a map.
class Headers {
public:
    using Field = std::pair<std::string, std::string>;

    void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
    void set(std::string_view name, std::string value);  ///< replaces all of that name
    void remove(std::string_view name);
    /// The first field of that name.
    std::optional<std::string_view> get(std::string_view name) const;
    std::size_t count(std::string_view name) const;

    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }
    std::size_t size() const { return fields_.size(); }

private:
    std::vector<Field> fields_;
};

/// A request without its body. `path` is percent-decoded and normalised ("/a/../b" and NUL are refused with 400
/// before anybody sees them), `query` is raw; query_value decodes.
struct RequestHead {
    Method method = Method::kGet;
    std::string target;  ///< as received
    std::string path;
    std::string query;
    Headers headers;
    std::string peer;  ///< "127.0.0.1:50312", or "unix"
    std::optional<std::uint64_t> content_length;

    /// The decoded value of the first `name=` in the query ('+' is a space here, as in forms).
    std::optional<std::string> query_value(std::string_view name) const;
};

struct ResponseHead {
    int status = 200;
    Headers headers;
};

/// A whole response; Content-Length is added by the server.
struct Response {
    int status = 200;
    Headers headers;
    std::string body;

    static Response json(int status, std::string body);
    static Response text(int status, std::string body);
};

std::string_view reason_phrase(int status);
std::string percent_decode(std::string_view text);  ///< '+' stays '+'
std::string percent_encode(std::string_view text);  ///< everything but unreserved characters

}  // namespace atrium::http
