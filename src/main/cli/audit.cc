#include <fmt/format.h>

#include <fstream>

#include "main/cli/api_client.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"
#include "security/audit/hash_chain.h"

namespace atrium::cli {
namespace {

int tell(const Common& common, std::int64_t records, const std::string& head, const std::string& problem) {
    if (common.json) {
        print(
            json::serialize(json::object{{"whole", problem.empty()},
                                         {"records", records},
                                         {"head", head},
                                         {"problem", problem.empty() ? json::value(nullptr) : json::value(problem)}}));
    } else if (problem.empty()) {
        print(fmt::format("{} {} {} {}", green("✔"), records,
                          tr("records, whole; the last hash is", "条记录,完整;末尾哈希"), head));
    } else {
        print(fmt::format("{} {}", red("✘"), problem));
    }
    return problem.empty() ? kOk : kFailed;
}

Result<audit::Link> link_of(const json::object& row) {
    const json::Reader reader(row);
    audit::Link link;
    TRY_ASSIGN(const auto number, reader.optional_int("number", 1, std::int64_t{1} << 53));
    link.number = number.value_or(0);
    TRY_ASSIGN(link.record, reader.required_string("record"));
    TRY_ASSIGN(link.previous_hash, reader.required_string("previous_hash"));
    TRY_ASSIGN(link.hash, reader.required_string("hash"));
    return link;
}

/// A file that `audit export` wrote; it is not known where it should end, so compare the last hash with one noted
/// earlier.
int verify_file(const Common& common, const std::string& path) {
    std::ifstream file(path);
    if (!file) return report(not_found(fmt::format("cannot read '{}'", path)));
    audit::ChainVerifier verifier;
    std::string line;
    while (std::getline(file, line)) {
        if (line.empty()) continue;
        auto row = json::parse_object(line);
        const auto link = row ? link_of(*row) : Result<audit::Link>(fail(row.error()));
        const auto held = link ? verifier.add(*link) : Result<>(fail(link.error()));
        if (!held) return tell(common, verifier.count(), verifier.head(), held.error().message());
    }
    return tell(common, verifier.count(), verifier.head(), {});
}

}  // namespace

int audit_verify(const Common& common, const std::string& path) {
    if (!path.empty()) return verify_file(common, path);
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    const auto answer = client->get("/atrium/v1/audit/verify");
    if (!answer) return report(answer.error());
    const auto records = json::Reader(*answer).optional_int("records", 0, std::int64_t{1} << 53);
    return tell(common, records ? records->value_or(0) : 0, std::string(json::string_or(*answer, "head")),
                std::string(json::string_or(*answer, "problem")));
}

int audit_export(const Common& common) {
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    if (!client) return report(client.error());
    for (std::int64_t from = 1;;) {
        const auto page = client->get(fmt::format("/atrium/v1/audit/export?from={}", from));
        if (!page) return report(page.error());
        const auto rows = json::Reader(*page).required_array("data");
        if (!rows) return report(rows.error());
        for (const auto& row : **rows) print(json::serialize(row));
        const auto* more = page->if_contains("has_more");
        if (more == nullptr || *more != true) return kOk;
        from += static_cast<std::int64_t>((*rows)->size());
    }
}

}  // namespace atrium::cli
