#include <fmt/format.h>

#include "main/cli/api_client.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"

namespace atrium::cli {
namespace {

/// Prints the `data` of a list answer as a table of the given fields.
int print_list(const Common& common, const Result<json::object>& answer, std::initializer_list<const char*> fields) {
    if (!answer) return report(answer.error());
    if (common.json) {
        print(json::serialize(*answer));
        return kOk;
    }
    for (const json::value& entry : answer->at("data").as_array()) {
        std::string line;
        for (const char* field : fields) {
            const json::value* value = entry.as_object().if_contains(field);
            const std::string cell = !value ? "" : value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
            line += fmt::format("{:<28}", cell);
        }
        print(line);
    }
    return kOk;
}

}  // namespace

int projects_list(const Common& common) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    return print_list(common, client->get("/atrium/v1/projects"), {"id", "name"});
}

int projects_create(const Common& common, const std::string& name) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const auto created = client->post("/atrium/v1/projects", {{"name", name}});
    if (!created) return report(created.error());
    print(common.json ? json::serialize(*created) : std::string(json::string_or(*created, "id")));
    return kOk;
}

int keys_list(const Common& common, const std::string& project) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    return print_list(common, client->get(fmt::format("/atrium/v1/projects/{}/keys", project)), {"id", "name", "redacted", "admin"});
}

int keys_create(const Common& common, const std::string& project, const std::string& name, bool admin) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const auto created = client->post(fmt::format("/atrium/v1/projects/{}/keys", project), {{"name", name}, {"admin", admin}});
    if (!created) return report(created.error());
    if (common.json) {
        print(json::serialize(*created));
        return kOk;
    }
    print(json::string_or(*created, "secret"));
    print(dim(tr("This is shown once. Keep it safe.", "仅显示这一次，请妥善保存。")));
    return kOk;
}

int keys_rotate(const Common& common, const std::string& id, int grace_seconds) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const auto rotated = client->post(fmt::format("/atrium/v1/keys/{}/rotate", id), {{"grace_seconds", grace_seconds}});
    if (!rotated) return report(rotated.error());
    if (common.json) {
        print(json::serialize(*rotated));
        return kOk;
    }
    print(json::string_or(*rotated, "secret"));
    print(dim(tr("This is shown once. Keep it safe.", "仅显示这一次,请妥善保存。")));
    return kOk;
}

int keys_revoke(const Common& common, const std::string& project, const std::string& id) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const auto revoked = client->remove(fmt::format("/atrium/v1/projects/{}/keys/{}", project, id));
    if (!revoked) return report(revoked.error());
    print(common.json ? json::serialize(*revoked) : fmt::format("{} {}", tr("revoked", "已吊销"), id));
    return kOk;
}

}  // namespace atrium::cli
