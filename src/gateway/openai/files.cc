#include "gateway/openai/files.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/text.h"
#include "gateway/openai/knowledge_wire.h"
#include "gateway/openai/multipart.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxField = 64 * 1024;
constexpr std::uint64_t kPiece = 1 << 20;
/// Up to here a download is one response with a length, its bytes verified as a whole.
constexpr std::int64_t kWholeDownload = 8 << 20;
/// What the parts around the file may add to the body.
constexpr std::uint64_t kMultipartOverhead = 1 << 20;

Error too_large(std::uint64_t limit) {
    return out_of_range(fmt::format("the file is larger than the limit of {} bytes (server.max_upload_bytes)", limit))
        .with_field("file");
}

/// Sorts the parts of an upload: the file into the blob store, the fields into a map.
class UploadForm {
public:
    UploadForm(app::FileService& files, std::uint64_t max_bytes) : files_(files), max_bytes_(max_bytes) {}

    Task<Result<>> take(MultipartParser::Event event) {
        switch (event.kind) {
            case MultipartParser::Kind::kBegin: co_return co_await begin(std::move(event));
            case MultipartParser::Kind::kData: co_return co_await data(std::move(event.data));
            case MultipartParser::Kind::kEnd: in_file_ = false; co_return Result<>{};
        }
        co_return Result<>{};
    }

    const std::string* field(const std::string& name) const {
        const auto found = fields_.find(name);
        return found == fields_.end() ? nullptr : &found->second;
    }
    const std::string& filename() const { return filename_; }
    std::shared_ptr<app::FileService::Upload> upload() const { return upload_; }

private:
    Task<Result<>> begin(MultipartParser::Event event) {
        name_ = event.name;
        if (name_ != "file") {
            if (!fields_.emplace(name_, "").second) co_return fail(invalid_argument(name_ + " was given twice").with_field(name_));
            co_return Result<>{};
        }
        if (upload_ != nullptr) co_return fail(invalid_argument("only one file can be uploaded at a time").with_field("file"));
        filename_ = event.filename.value_or("file");
        in_file_ = true;
        CO_TRY_ASSIGN(upload_, co_await files_.begin());
        co_return Result<>{};
    }

    Task<Result<>> data(std::string bytes) {
        if (!in_file_) {
            auto& value = fields_[name_];
            if (value.size() + bytes.size() > kMaxField) co_return fail(out_of_range(name_ + " is too long").with_field(name_));
            value += bytes;
            co_return Result<>{};
        }
        if (upload_->bytes() + bytes.size() > max_bytes_) co_return fail(too_large(max_bytes_));
        co_return co_await upload_->append(std::move(bytes));
    }

    app::FileService& files_;
    const std::uint64_t max_bytes_;
    std::string name_;
    bool in_file_ = false;
    std::string filename_;
    std::shared_ptr<app::FileService::Upload> upload_;
    std::map<std::string, std::string> fields_;
};

Result<std::optional<std::int64_t>> expiry(const UploadForm& form) {
    const auto* anchor = form.field("expires_after[anchor]");
    const auto* seconds = form.field("expires_after[seconds]");
    if (anchor == nullptr && seconds == nullptr) return std::nullopt;
    if (anchor == nullptr || *anchor != "created_at") {
        return fail(invalid_argument("expires_after[anchor] must be 'created_at'").with_field("expires_after[anchor]"));
    }
    const auto number = seconds == nullptr ? std::nullopt : text::to_int(*seconds);
    if (!number || *number < 3600 || *number > 2'592'000) {
        return fail(invalid_argument("expires_after[seconds] must be an integer from 3600 to 2592000").with_field("expires_after[seconds]"));
    }
    return *number;
}

Task<Result<>> upload_file(Call& call, app::FileService& files, std::uint64_t max_bytes) {
    const auto& head = call.exchange().head();
    CO_TRY_ASSIGN(auto parser, MultipartParser::from_content_type(head.headers.get("content-type").value_or("")));
    if (head.content_length && *head.content_length > max_bytes + kMultipartOverhead) co_return fail(too_large(max_bytes));
    UploadForm form(files, max_bytes);
    std::uint64_t received = 0;
    for (;;) {
        CO_TRY_ASSIGN(const auto piece, co_await call.exchange().read_some());
        if (piece.empty()) break;
        // A chunked body announces no length, and what follows the last delimiter is read by nobody.
        received += piece.size();
        if (received > max_bytes + kMultipartOverhead) co_return fail(too_large(max_bytes));
        CO_TRY_ASSIGN(auto events, parser.feed(piece));
        for (auto& event : events) CO_TRY(co_await form.take(std::move(event)));
    }
    CO_TRY(parser.finish());
    const auto* purpose = form.field("purpose");
    if (purpose == nullptr) co_return fail(invalid_argument("purpose is required").with_field("purpose"));
    if (form.upload() == nullptr) co_return fail(invalid_argument("file is required").with_field("file"));

    app::FileService::NewFile file;
    file.project = call.principal().project;
    file.filename = form.filename();
    file.purpose = text::to_valid_utf8(*purpose);
    CO_TRY_ASSIGN(file.expires_after_seconds, expiry(form));
    CO_TRY_ASSIGN(const auto stored, co_await files.finish(std::move(file), form.upload()));
    co_return co_await call.respond_json(wire::file(stored));
}

Task<Result<>> list_files(Call& call, app::FileService& files) {
    CO_TRY_ASSIGN(auto paging, wire::paging(call, 10'000, 10'000));
    CO_TRY_ASSIGN(const auto page, co_await files.list(call.principal().project, call.query("purpose").value_or(""), paging));
    co_return co_await call.respond_json(wire::list(page, wire::file, [](const app::File& file) { return file.id; }));
}

Task<Result<>> get_file(Call& call, app::FileService& files) {
    CO_TRY_ASSIGN(const auto file, co_await files.get(call.principal().project, call.path("file_id")));
    co_return co_await call.respond_json(wire::file(file));
}

Task<Result<>> delete_file(Call& call, app::FileService& files) {
    const std::string id = call.path("file_id");
    CO_TRY(co_await files.remove(call.principal().project, id));
    co_return co_await call.respond_json(wire::deleted(id, "file"));
}

Task<Result<>> download_file(Call& call, app::FileService& files) {
    CO_TRY_ASSIGN(const auto file, co_await files.get(call.principal().project, call.path("file_id")));
    http::Headers headers;
    headers.add("Content-Type", "application/octet-stream");
    // Whatever was uploaded, a browser must neither run nor guess it.
    headers.add("Content-Disposition", "attachment; filename*=UTF-8''" + http::percent_encode(file.filename));
    headers.add("X-Content-Type-Options", "nosniff");
    if (file.bytes <= kWholeDownload) {
        CO_TRY_ASSIGN(auto bytes, co_await files.read(file, 0, static_cast<std::uint64_t>(file.bytes)));
        co_return co_await call.exchange().respond({200, std::move(headers), std::move(bytes)});
    }
    CO_TRY_ASSIGN(auto piece, co_await files.read(file, 0, kPiece));
    CO_TRY(co_await call.exchange().start({200, std::move(headers)}));
    for (std::uint64_t offset = 0; !piece.empty();) {
        CO_TRY(co_await call.exchange().write(piece));
        offset += piece.size();
        if (offset >= static_cast<std::uint64_t>(file.bytes)) break;
        CO_TRY_ASSIGN(piece, co_await files.read(file, offset, kPiece));
    }
    co_return co_await call.exchange().finish();
}

json::object file_schema() {
    return {{"type", "object"},
            {"required", {"id", "object", "bytes", "created_at", "filename", "purpose", "status"}},
            {"properties",
             {{"id", {{"type", "string"}}},
              {"object", {{"const", "file"}}},
              {"bytes", {{"type", "integer"}}},
              {"created_at", {{"type", "integer"}}},
              {"expires_at", {{"type", {"integer", "null"}}}},
              {"filename", {{"type", "string"}}},
              {"purpose", {{"type", "string"}}},
              {"status", {{"enum", {"uploaded", "processed", "error"}}}}}}};
}

}  // namespace

void add_file_routes(RouteTable& routes, app::FileService& files, std::uint64_t max_upload_bytes) {
    routes.add({.method = http::Method::kPost, .pattern = "/v1/files", .tag = "files",
                .summary = "Upload a file (multipart/form-data: file, purpose)",
                .handler = [&files, max_upload_bytes](Call& call) { return upload_file(call, files, max_upload_bytes); },
                .response_schema = file_schema()});
    routes.add({.method = http::Method::kGet, .pattern = "/v1/files", .tag = "files", .summary = "List files",
                .handler = [&files](Call& call) { return list_files(call, files); }, .response_schema = wire::list_schema()});
    routes.add({.method = http::Method::kGet, .pattern = "/v1/files/{file_id}", .tag = "files", .summary = "One file",
                .handler = [&files](Call& call) { return get_file(call, files); }, .response_schema = file_schema()});
    routes.add({.method = http::Method::kDelete, .pattern = "/v1/files/{file_id}", .tag = "files",
                .summary = "Delete a file, everywhere", .handler = [&files](Call& call) { return delete_file(call, files); }});
    routes.add({.method = http::Method::kGet, .pattern = "/v1/files/{file_id}/content", .tag = "files",
                .summary = "The bytes of a file", .handler = [&files](Call& call) { return download_file(call, files); }});
}

}  // namespace atrium::gateway
