#include "model/catalog/internal/hub_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

constexpr std::size_t kPiece = 1 << 20;        // written and hashed at once
constexpr std::size_t kMaxListing = 16 << 20;  // of a repository's files
constexpr int kMaxRedirects = 5;

std::string_view hub_name(Hub hub) {
    return hub == Hub::kHuggingFace ? "Hugging Face" : "ModelScope";
}

bool is_sha256(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Every path segment percent-encoded, the slashes kept.
std::string encode_path(std::string_view path) {
    std::string encoded;
    for (const std::string_view segment : text::split(path, '/')) {
        if (!encoded.empty()) encoded += '/';
        encoded += http::percent_encode(segment);
    }
    return encoded;
}

Result<http::Url> redirected(const http::Url& from, std::string_view location) {
    http::Url to = from;
    if (location.starts_with("//")) {
        TRY_ASSIGN(to, http::Url::parse(fmt::format("{}:{}", from.scheme, location)));
    } else if (location.starts_with("/")) {
        to.target = location;
    } else {
        TRY_ASSIGN(to, http::Url::parse(location));
    }
    // A hub under https may hand over to any other https host; a plain-http mirror (a company's, or a test's) to
    // anything but a local socket.
    if (to.scheme == "unix" || (from.scheme == "https" && to.scheme != "https")) {
        return fail(permission_denied(fmt::format("{} redirects to {}, which is refused", from.origin(), to.origin())));
    }
    return to;
}

Error status_error(Hub hub, int status, const http::Url& url) {
    const std::string where = fmt::format("{} ({})", hub_name(hub), url.origin());
    if (status == 401 || status == 403) {
        return permission_denied(
            fmt::format("{} answers {}: the model wants an access token ({}) or its licence accepted on its page",
                        where, status, hub == Hub::kHuggingFace ? "HF_TOKEN" : "MODELSCOPE_API_TOKEN"));
    }
    if (status == 404) return not_found(fmt::format("{} has no such file", where));
    return unavailable(fmt::format("{} answers {}", where, status));
}

std::uint64_t number_or_zero(std::optional<std::string_view> text) {
    const auto number = text ? text::to_int(*text) : std::nullopt;
    return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

/// The pinned digest wins; a hub that has another file under this name is passed over rather than trusted.
Result<> settle_digest(HubFile& found, const SourceFile& file, Hub hub) {
    if (!file.sha256.empty()) {
        if (is_sha256(found.sha256) && found.sha256 != file.sha256) {
            return fail(failed_precondition(
                fmt::format("{} has another version of {} than the pinned one", hub_name(hub), file.path)));
        }
        found.sha256 = file.sha256;
    }
    if (!is_sha256(found.sha256)) {
        return fail(failed_precondition(
            fmt::format("{} gives no sha256 for {}, so it cannot be verified", hub_name(hub), file.path)));
    }
    if (found.bytes == 0) found.bytes = file.bytes;
    return {};
}

}  // namespace

Result<std::string> sha256_of_file(Fs& fs, const Path& path, const std::function<void(std::uint64_t)>& on_bytes,
                                   const StopToken& stop) {
    crypto::Sha256Stream digest;
    for (std::uint64_t offset = 0;;) {
        if (stop.stop_requested()) return fail(cancelled("stopped"));
        TRY_ASSIGN(const std::string piece, fs.read_range(path, offset, kPiece));
        if (piece.empty()) return digest.finish_hex();
        digest.update(piece);
        offset += piece.size();
        if (on_bytes) on_bytes(offset);
    }
}

const std::string& HubClient::endpoint(Hub hub) const {
    return hub == Hub::kHuggingFace ? options_.huggingface : options_.modelscope;
}

Task<Result<HubClient::Answer>> HubClient::send(Hub hub, http::Method method, http::Url url, http::Headers headers,
                                                bool follow_to_content, StopToken stop) {
    CO_TRY_ASSIGN(const http::Url home, http::Url::parse(endpoint(hub)));
    const std::string& token = hub == Hub::kHuggingFace ? options_.huggingface_token : options_.modelscope_token;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
        http::ClientRequest request;
        request.method = method;
        request.url = url;
        request.headers = headers;
        request.headers.set("user-agent", "atrium/" ATRIUM_VERSION);
        request.headers.set("accept-encoding", "identity");
        if (!token.empty() && url.origin() == home.origin()) request.headers.set("authorization", "Bearer " + token);
        request.deadlines.connect = options_.hub_connect;
        request.deadlines.first_byte = options_.hub_first_byte;
        request.deadlines.gap = std::chrono::milliseconds(60'000);
        CO_TRY_ASSIGN(auto response, co_await client_.send(std::move(request), stop));
        const int status = response->status();
        const auto location = response->headers().get("location");
        // The metadata of a large file comes with the redirect that leads away from the hub.
        const bool described = response->headers().get("x-linked-etag").has_value();
        if (status < 300 || status >= 400 || status == 304 || !location || (described && !follow_to_content)) {
            co_return Answer{std::move(response), std::move(url)};
        }
        CO_TRY_ASSIGN(url, redirected(url, *location));
    }
    co_return fail(unavailable(fmt::format("{} redirects more than {} times", home.origin(), kMaxRedirects)));
}

Task<Result<HubFile>> HubClient::resolve(HubSource source, SourceFile file, StopToken stop) {
    if (source.hub == Hub::kHuggingFace)
        co_return co_await resolve_huggingface(std::move(source), std::move(file), std::move(stop));
    co_return co_await resolve_modelscope(std::move(source), std::move(file), std::move(stop));
}

Task<Result<HubFile>> HubClient::resolve_huggingface(HubSource source, SourceFile file, StopToken stop) {
    const auto address = [&](std::string_view revision) {
        return fmt::format("{}/{}/resolve/{}/{}", endpoint(source.hub), encode_path(source.repository),
                           http::percent_encode(revision), encode_path(file.path));
    };
    CO_TRY_ASSIGN(http::Url url, http::Url::parse(address(source.revision)));
    CO_TRY_ASSIGN(Answer answer, co_await send(source.hub, http::Method::kHead, url, {}, false, stop));
    const int status = answer.response->status();
    if (status >= 400) co_return fail(status_error(source.hub, status, answer.url));
    const http::Headers& headers = answer.response->headers();
    const auto unquoted = [](std::string_view tag) {
        if (tag.starts_with("W/")) tag.remove_prefix(2);
        if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
        return std::string(tag);
    };
    HubFile found;
    const auto linked = headers.get("x-linked-etag");
    found.sha256 = unquoted(linked.value_or(headers.get("etag").value_or("")));
    found.bytes = number_or_zero(headers.get("x-linked-size"));
    if (found.bytes == 0 && status < 300) found.bytes = number_or_zero(headers.get("content-length"));
    found.revision = headers.get("x-repo-commit").value_or("");
    // From here on the commit, so that a push in the middle of a download changes nothing.
    CO_TRY_ASSIGN(found.url, http::Url::parse(address(found.revision.empty() ? source.revision : found.revision)));
    CO_TRY(settle_digest(found, file, source.hub));
    co_return found;
}

Task<Result<HubFile>> HubClient::resolve_modelscope(HubSource source, SourceFile file, StopToken stop) {
    const std::string base =
        fmt::format("{}/api/v1/models/{}/repo", endpoint(source.hub), encode_path(source.repository));
    CO_TRY_ASSIGN(http::Url listing, http::Url::parse(fmt::format("{}/files?Recursive=true&Revision={}", base,
                                                                  http::percent_encode(source.revision))));
    CO_TRY_ASSIGN(Answer answer, co_await send(source.hub, http::Method::kGet, listing, {}, true, stop));
    if (answer.response->status() != 200)
        co_return fail(status_error(source.hub, answer.response->status(), answer.url));
    CO_TRY_ASSIGN(const std::string body, co_await answer.response->read_all(kMaxListing));
    const auto parsed = json::parse_object(body);
    const json::value* data = parsed ? parsed->if_contains("Data") : nullptr;
    const json::value* files = data != nullptr && data->is_object() ? data->get_object().if_contains("Files") : nullptr;
    if (files == nullptr || !files->is_array())
        co_return fail(unavailable("ModelScope answers with something else than a list of files"));
    for (const json::value& item : files->get_array()) {
        if (!item.is_object() || json::string_or(item.get_object(), "Path") != file.path) continue;
        const json::object& object = item.get_object();
        HubFile found;
        found.sha256 = text::to_lower_ascii(json::string_or(object, "Sha256"));
        if (const json::value* size = object.if_contains("Size");
            size != nullptr && size->is_int64() && size->get_int64() > 0) {
            found.bytes = static_cast<std::uint64_t>(size->get_int64());
        }
        found.revision = json::string_or(object, "Revision");
        CO_TRY_ASSIGN(found.url, http::Url::parse(fmt::format("{}?Revision={}&FilePath={}", base,
                                                              http::percent_encode(source.revision),
                                                              http::percent_encode(file.path))));
        CO_TRY(settle_digest(found, file, source.hub));
        co_return found;
    }
    co_return fail(not_found(fmt::format("ModelScope's {} has no file {}", source.repository, file.path)));
}

/// One connection's worth: appends to `target` from `have` on; how much the file has afterwards.
Task<Result<std::uint64_t>> HubClient::receive(Hub hub, HubFile file, Path target, std::uint64_t have,
                                               std::function<void(std::uint64_t)> on_bytes, StopToken stop) {
    http::Headers headers;
    if (have > 0) headers.set("range", fmt::format("bytes={}-", have));
    CO_TRY_ASSIGN(Answer answer, co_await send(hub, http::Method::kGet, file.url, std::move(headers), true, stop));
    http::ClientResponse& response = *answer.response;
    if (response.status() == 206) {
        const auto range = response.headers().get("content-range").value_or("");
        if (!range.starts_with(fmt::format("bytes {}-", have))) {
            co_return fail(
                unavailable(fmt::format("{} answers with another range than asked for", answer.url.origin())));
        }
    } else if (response.status() == 200) {
        have = 0;  // it does not do ranges: from the start
    } else if (response.status() == 416) {
        // What is there is longer than the file: not the same file.
        CO_TRY(co_await offload(pool_, [this, target] { return fs_.remove(target); }));
        co_return fail(unavailable("the partial download did not fit and was thrown away"));
    } else {
        co_return fail(status_error(hub, response.status(), answer.url));
    }
    auto opened = co_await offload(pool_, [this, target, have]() -> Result<std::shared_ptr<WritableFile>> {
        if (have == 0) {
            TRY_ASSIGN(auto file, fs_.create(target, 0644));
            return std::shared_ptr<WritableFile>(std::move(file));
        }
        TRY_ASSIGN(auto file, fs_.open_append(target));
        return std::shared_ptr<WritableFile>(std::move(file));
    });
    if (!opened) co_return fail(std::move(opened).error());
    const std::shared_ptr<WritableFile> out = std::move(*opened);
    std::string pending;
    for (;;) {
        auto piece = co_await response.read_some();
        if (piece) pending += *piece;
        const bool last = !piece || piece->empty();
        if (pending.size() >= kPiece || (last && !pending.empty())) {
            if (file.bytes > 0 && have + pending.size() > file.bytes) {
                co_return fail(data_loss(
                    fmt::format("{} sends more than the {} bytes announced", answer.url.origin(), file.bytes)));
            }
            have += pending.size();
            CO_TRY(co_await offload(pool_, [out, bytes = std::move(pending)] { return out->append(bytes); }));
            pending.clear();
            if (on_bytes) on_bytes(have);
        }
        if (!piece) {
            // What arrived is written and counts; the caller decides whether to go on.
            if (stop.stop_requested()) co_return fail(cancelled("stopped"));
            break;
        }
        if (last) break;
    }
    CO_TRY(co_await offload(pool_, [out]() -> Result<> {
        TRY(out->sync());
        return out->close();
    }));
    co_return have;
}

Task<Result<>> HubClient::download(Hub hub, HubFile file, Path target, std::function<void(std::uint64_t)> on_bytes,
                                   StopToken stop) {
    const auto size_of = [this, target]() -> Result<std::uint64_t> {
        auto size = fs_.size(target);
        if (!size && size.error().code() == Code::kNotFound) return std::uint64_t{0};
        return size;
    };
    CO_TRY_ASSIGN(std::uint64_t have, co_await offload(pool_, size_of));
    int failures = 0;
    auto delay = options_.retry_delay;
    while (file.bytes == 0 || have < file.bytes) {
        const std::uint64_t before = have;
        auto received = co_await receive(hub, file, target, have, on_bytes, stop);
        if (stop.stop_requested()) co_return fail(cancelled("stopped; what was downloaded is kept"));
        if (received && (file.bytes == 0 || *received == file.bytes)) break;
        if (!received && received.error().code() != Code::kUnavailable &&
            received.error().code() != Code::kDeadlineExceeded) {
            co_return fail(std::move(received).error());
        }
        CO_TRY_ASSIGN(have, co_await offload(pool_, size_of));
        if (have > before) {
            failures = 0;
            delay = options_.retry_delay;
        } else if (++failures > options_.retries) {
            co_return received ? fail(unavailable("the connection ends early, again and again"))
                               : fail(std::move(received).error());
        }
        if (!co_await sleep_for(delay, stop)) co_return fail(cancelled("stopped; what was downloaded is kept"));
        delay = std::min(delay * 2, std::chrono::milliseconds(30'000));
    }
    CO_TRY_ASSIGN(const std::string actual,
                  co_await offload(pool_, [this, target, stop] { return sha256_of_file(fs_, target, {}, stop); }));
    if (actual != file.sha256) {
        CO_TRY(co_await offload(pool_, [this, target] { return fs_.remove(target); }));
        co_return fail(data_loss(fmt::format("{} from {} has sha256 {}, expected {}; it was deleted",
                                             target.filename().string(), hub_name(hub), actual, file.sha256)));
    }
    co_return Result<>{};
}

}  // namespace atrium::model
