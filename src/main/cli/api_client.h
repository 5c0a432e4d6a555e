#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "platform/http/client.h"
#include "platform/http/sse.h"

namespace atrium::cli {

/// A running Atrium, as the commands see it: its HTTP API and nothing else. Synchronous: each call runs its own event
/// loop. Errors of the server come back with its own message.
class ApiClient {
public:
    /// Address: --url, ATRIUM_URL, http://127.0.0.1:8080. Key: --key, ATRIUM_API_KEY, $ATRIUM_HOME/admin.key when readable.
    static Result<ApiClient> connect(const std::string& url_option, const std::string& key_option,
                                     const std::map<std::string, std::string>& environment);

    Result<json::object> get(const std::string& path);
    Result<json::object> post(const std::string& path, const json::object& body);
    Result<json::object> remove(const std::string& path);
    /// multipart/form-data with the file's bytes.
    Result<json::object> upload(const std::string& path, const std::string& file_name, std::string bytes,
                                const std::map<std::string, std::string>& fields);
    /// Calls `on_event` for each event of a streamed answer, until the end or its first error.
    Result<> stream(const std::string& path, const json::object& body,
                    const std::function<Result<>(const http::SseEvent&)>& on_event);

    const std::string& url() const { return url_; }

private:
    ApiClient(std::string url, std::string key) : url_(std::move(url)), key_(std::move(key)) {}
    Result<http::ClientRequest> request(http::Method method, const std::string& path) const;
    Result<json::object> exchange(http::ClientRequest request);

    std::string url_;
    std::string key_;
};

}  // namespace atrium::cli
