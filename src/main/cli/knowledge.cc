#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "main/cli/api_client.h"
#include "main/cli/lookup.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"

namespace atrium::cli {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> expand(const std::vector<std::string>& paths, std::vector<std::string>& missing) {
    std::vector<fs::path> files;
    for (const std::string& path : paths) {
        std::error_code error;
        if (fs::is_directory(path, error)) {
            for (const auto& entry : fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, error)) {
                if (entry.is_regular_file(error) && !entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
            }
        } else if (fs::is_regular_file(path, error)) {
            files.emplace_back(path);
        } else {
            missing.push_back(path);
        }
    }
    std::ranges::sort(files);
    return files;
}

Result<std::string> upload(ApiClient& client, const std::string& base, const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return fail(not_found(fmt::format("cannot read '{}'", file.string())));
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    TRY_ASSIGN(const json::object uploaded, client.upload("/v1/files", file.filename().string(), std::move(bytes), {{"purpose", "assistants"}}));
    const std::string id(json::string_or(uploaded, "id"));
    TRY(client.post(fmt::format("/v1/vector_stores/{}/files", base), {{"file_id", id}}));
    return id;
}

/// Waits until a file is indexed; true when it is, with what the server says about a failure.
Result<bool> follow(ApiClient& client, const std::string& base, const std::string& file_id, ProgressBar& bar) {
    while (true) {
        TRY_ASSIGN(const json::array files, list_all(client, fmt::format("/atrium/v1/knowledge/{}/files", base)));
        for (const json::value& entry : files) {
            const json::object& file = entry.as_object();
            if (json::string_or(file, "id") != file_id) continue;
            const std::string_view status = json::string_or(file, "status");
            if (status == "completed") {
                const json::value* chunks = file.if_contains("chunks");
                bar.finish(fmt::format("{} ({} {})", green(tr("ready", "就绪")), chunks && chunks->is_int64() ? chunks->get_int64() : 0,
                                       tr("passages", "个段落")));
                return true;
            }
            if (status == "failed" || status == "cancelled") {
                const json::value* error = file.if_contains("error");
                bar.finish(red(error && error->is_object() ? json::string_or(error->get_object(), "message") : status));
                return false;
            }
            const json::value* progress = file.if_contains("progress");
            const double share = progress && progress->is_number() ? progress->to_number<double>() : 0;
            bar.update(static_cast<std::uint64_t>(share * 100), 100, json::string_or(file, "stage"));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
}

}  // namespace

Result<json::array> list_all(ApiClient& client, const std::string& path) {
    json::array all;
    std::string after;
    while (true) {
        TRY_ASSIGN(json::object page, client.get(fmt::format("{}?limit=100{}", path, after.empty() ? "" : "&after=" + after)));
        json::value* data = page.if_contains("data");
        if (!data || !data->is_array() || data->get_array().empty()) return all;
        after = json::string_or(data->get_array().back().as_object(), "id");
        for (json::value& entry : data->get_array()) all.push_back(std::move(entry));
        const json::value* more = page.if_contains("has_more");
        if (!more || !more->is_bool() || !more->get_bool()) return all;
    }
}

Result<std::string> find_knowledge_base(ApiClient& client, const std::string& base) {
    if (base.starts_with("vs_")) return base;
    TRY_ASSIGN(const json::array bases, list_all(client, "/v1/vector_stores"));
    std::vector<std::string> names;
    for (const json::value& entry : bases) {
        const json::object& store = entry.as_object();
        if (!base.empty() && json::string_or(store, "name") == base) return std::string(json::string_or(store, "id"));
        names.emplace_back(json::string_or(store, "name"));
    }
    // Newest first: the last is the oldest, the sample on a new installation.
    if (base.empty() && !bases.empty()) return std::string(json::string_or(bases.back().as_object(), "id"));
    return fail(not_found(names.empty() ? std::string(tr("there is no knowledge base yet; create one with: atrium ingest PATH", "还没有知识库；可用 atrium ingest PATH 创建"))
                                        : fmt::format("no knowledge base is called '{}'; there are: {}", base, fmt::join(names, ", "))));
}

int ingest(const Common& common, const std::string& base, const std::vector<std::string>& paths) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    std::vector<std::string> missing;
    const std::vector<fs::path> files = expand(paths, missing);
    for (const std::string& path : missing) report(not_found(fmt::format("{}: {}", tr("no such file", "文件不存在"), path)));
    if (files.empty()) return missing.empty() ? report(not_found(std::string(tr("nothing to ingest", "没有可导入的文件")))) : kFailed;

    std::string id;
    if (const Result<std::string> found = find_knowledge_base(*client, base); found && !base.empty()) {
        id = *found;
    } else {
        const std::string name = base.empty() ? fs::absolute(files.front()).parent_path().filename().string() : base;
        const auto created = client->post("/v1/vector_stores", {{"name", name}});
        if (!created) return report(created.error());
        id = json::string_or(*created, "id");
        print(fmt::format("{} {} ({})", tr("created knowledge base", "已创建知识库"), bold(name), id));
    }
    bool all_ready = missing.empty();
    std::vector<std::pair<fs::path, std::string>> uploaded;
    for (const fs::path& file : files) {
        const Result<std::string> file_id = upload(*client, id, file);
        if (file_id) {
            uploaded.emplace_back(file, *file_id);
        } else {
            all_ready = false;
            report(Error(file_id.error().code(), fmt::format("{}: {}", file.filename().string(), file_id.error().message())));
        }
    }
    for (const auto& [file, file_id] : uploaded) {
        ProgressBar bar(file.filename().string());
        const Result<bool> ready = follow(*client, id, file_id, bar);
        if (!ready) return report(ready.error());
        all_ready = all_ready && *ready;
    }
    return all_ready ? kOk : kFailed;
}

int kb_list(const Common& common) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const Result<json::array> bases = list_all(*client, "/v1/vector_stores");
    if (!bases) return report(bases.error());
    if (common.json) {
        print(json::serialize(*bases));
        return kOk;
    }
    Table table;
    table.row({bold(tr("ID", "编号")), bold(tr("NAME", "名称")), bold(tr("FILES", "文件")), bold(tr("SIZE", "大小"))});
    for (const json::value& entry : *bases) {
        const json::object& store = entry.as_object();
        table.row({std::string(json::string_or(store, "id")), std::string(json::string_or(store, "name")),
                   json::serialize(store.at("file_counts").as_object().at("total")),
                   format_bytes(store.at("usage_bytes").to_number<std::uint64_t>())});
    }
    table.print();
    return kOk;
}

int kb_create(const Common& common, const std::string& name) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const auto created = client->post("/v1/vector_stores", {{"name", name}});
    if (!created) return report(created.error());
    print(common.json ? json::serialize(*created) : std::string(json::string_or(*created, "id")));
    return kOk;
}

int kb_delete(const Common& common, const std::string& base) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const Result<std::string> id = find_knowledge_base(*client, base);
    if (!id) return report(id.error());
    const auto removed = client->remove("/v1/vector_stores/" + *id);
    if (!removed) return report(removed.error());
    print(common.json ? json::serialize(*removed) : fmt::format("{} {}", tr("deleted", "已删除"), *id));
    return kOk;
}

}  // namespace atrium::cli
