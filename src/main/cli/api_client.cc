#include "main/cli/api_client.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "base/id.h"
#include "base/text.h"
#include "config/settings.h"
#include "main/cli/terminal.h"
#include "platform/async/runtime.h"

namespace atrium::cli {
namespace {

constexpr std::size_t kMaxAnswer = 64u << 20;

std::string variable(const std::map<std::string, std::string>& environment, const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
}

Error error_of(int status, std::string_view body) {
    std::string message = fmt::format("the server answered {}", status);
    if (const Result<json::object> parsed = json::parse_object(body)) {
        if (const json::value* error = parsed->if_contains("error"); error && error->is_object()) {
            message = json::string_or(error->get_object(), "message", message);
        }
    }
    return Error(code_from_http(status), std::move(message));
}

Error unreachable(const std::string& url, const Error& cause) {
    return unavailable(fmt::format("{} {}", tr("cannot reach Atrium at", "无法连接 Atrium:"), url))
        .with_cause(Error(cause.code(), fmt::format("{} ({})", tr("is it running? start it with: atrium serve", "请先启动：atrium serve"),
                                                    cause.message())));
}

struct Answer {
    int status = 0;
    std::string body;
};

Task<Result<Answer>> send_whole(http::ClientRequest request) {
    http::Client client;
    CO_TRY_ASSIGN(auto response, co_await client.send(std::move(request)));
    CO_TRY_ASSIGN(std::string body, co_await response->read_all(kMaxAnswer));
    co_return Answer{response->status(), std::move(body)};
}

using OnEvent = std::function<Result<>(const http::SseEvent&)>;

Task<Result<>> send_streaming(http::ClientRequest request, const OnEvent& on_event) {
    http::Client client;
    CO_TRY_ASSIGN(auto response, co_await client.send(std::move(request)));
    if (response->status() >= 400) {
        CO_TRY_ASSIGN(const std::string body, co_await response->read_all(kMaxAnswer));
        co_return fail(error_of(response->status(), body));
    }
    http::SseParser parser;
    while (true) {
        CO_TRY_ASSIGN(const std::string piece, co_await response->read_some());
        if (piece.empty()) co_return Result<>{};
        CO_TRY_ASSIGN(const auto events, parser.feed(piece));
        for (const http::SseEvent& event : events) CO_TRY(on_event(event));
    }
}

}  // namespace

Result<ApiClient> ApiClient::connect(const std::string& url_option, const std::string& key_option,
                                     const std::map<std::string, std::string>& environment) {
    std::string url = url_option.empty() ? variable(environment, "ATRIUM_URL") : url_option;
    if (url.empty()) url = "http://127.0.0.1:8080";
    while (url.ends_with('/')) url.pop_back();
    std::string key = key_option.empty() ? variable(environment, "ATRIUM_API_KEY") : key_option;
    if (key.empty()) {
        std::ifstream in(config::default_home(environment) + "/admin.key");
        std::getline(in, key);
    }
    if (key.empty()) {
        return fail(unauthenticated(std::string(tr("no API key: set ATRIUM_API_KEY (the server wrote the first one to admin.key in its home folder)",
                                                   "没有 API 密钥：请设置 ATRIUM_API_KEY（首个密钥在服务器数据目录的 admin.key 中）"))));
    }
    return ApiClient(std::move(url), std::string(text::trim(key)));
}

Result<http::ClientRequest> ApiClient::request(http::Method method, const std::string& path) const {
    http::ClientRequest request;
    request.method = method;
    TRY_ASSIGN(request.url, http::Url::parse(url_ + path));
    request.headers.add("Authorization", "Bearer " + key_);
    request.headers.add("User-Agent", "atrium/" ATRIUM_VERSION);
    return request;
}

Result<json::object> ApiClient::exchange(http::ClientRequest request) {
    const Result<Answer> answer = run_blocking(send_whole(std::move(request)));
    if (!answer) return fail(unreachable(url_, answer.error()));
    if (answer->status >= 400) return fail(error_of(answer->status, answer->body));
    return json::parse_object(answer->body);
}

Result<json::object> ApiClient::get(const std::string& path) {
    TRY_ASSIGN(http::ClientRequest request_to_send, request(http::Method::kGet, path));
    return exchange(std::move(request_to_send));
}

Result<json::object> ApiClient::post(const std::string& path, const json::object& body) {
    TRY_ASSIGN(http::ClientRequest request_to_send, request(http::Method::kPost, path));
    request_to_send.headers.add("Content-Type", "application/json");
    request_to_send.body = json::serialize(body);
    return exchange(std::move(request_to_send));
}

Result<json::object> ApiClient::remove(const std::string& path) {
    TRY_ASSIGN(http::ClientRequest request_to_send, request(http::Method::kDelete, path));
    return exchange(std::move(request_to_send));
}

Result<json::object> ApiClient::upload(const std::string& path, const std::string& file_name, std::string bytes,
                                       const std::map<std::string, std::string>& fields) {
    TRY_ASSIGN(http::ClientRequest request_to_send, request(http::Method::kPost, path));
    const std::string boundary = new_id("atrium-");
    std::string body;
    for (const auto& [name, value] : fields) {
        body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", boundary, name, value);
    }
    std::string safe_name = file_name;
    std::erase_if(safe_name, [](char c) { return c == '"' || c == '\r' || c == '\n'; });
    body += fmt::format(
        "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
        boundary, safe_name);
    body += bytes;
    body += fmt::format("\r\n--{}--\r\n", boundary);
    request_to_send.headers.add("Content-Type", "multipart/form-data; boundary=" + boundary);
    request_to_send.body = std::move(body);
    return exchange(std::move(request_to_send));
}

Result<> ApiClient::stream(const std::string& path, const json::object& body, const OnEvent& on_event) {
    TRY_ASSIGN(http::ClientRequest request_to_send, request(http::Method::kPost, path));
    request_to_send.headers.add("Content-Type", "application/json");
    request_to_send.headers.add("Accept", "text/event-stream");
    request_to_send.body = json::serialize(body);
    return run_blocking(send_streaming(std::move(request_to_send), on_event));
}

}  // namespace atrium::cli
