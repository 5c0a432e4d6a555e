#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/json.h"
#include "config/settings.h"
#include "main/cli/api_client.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"
#include "model/catalog/model_store.h"

namespace atrium::cli {
namespace {

config::LoadOptions load_options(const Common& common) { return {common.config_file, common.environment, {}}; }

/// One line of `atrium doctor`.
struct Finding {
    bool ok;
    std::string subject;
    std::string detail;
};

Finding check_home(const std::string& home) {
    std::error_code error;
    std::filesystem::create_directories(home, error);
    const std::string probe = home + "/.doctor";
    std::ofstream out(probe);
    out << "x";
    out.close();
    if (!out) return {false, "home", fmt::format("{}: {}; {}", home, strerror(errno), tr("set ATRIUM_HOME to a folder you may write", "请将 ATRIUM_HOME 设为可写目录"))};
    std::filesystem::remove(probe, error);
    struct statvfs space {};
    if (statvfs(home.c_str(), &space) != 0) return {true, "home", home};
    const std::uint64_t free_bytes = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
    return {free_bytes > (1ull << 30), "home", fmt::format("{} ({} {})", home, format_bytes(free_bytes), tr("free", "可用"))};
}

Finding check_models(const std::string& home) {
    const auto models = model::ModelStore(machine_fs(), Path(home) / "models").list();
    if (!models) return {false, "models", models.error().message()};
    if (models->empty()) return {false, "models", std::string(tr("none installed; run: atrium pull --default", "尚未安装；请运行：atrium pull --default"))};
    std::string names;
    for (const model::InstalledModel& model : *models) names += (names.empty() ? "" : ", ") + model.name;
    return {true, "models", names};
}

Finding check_tool(const char* name, std::string_view hint) {
    const char* path = std::getenv("PATH");
    std::string rest = path ? path : "/usr/bin:/bin";
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const std::string candidate = rest.substr(0, colon) + "/" + name;
        if (access(candidate.c_str(), X_OK) == 0) return {true, name, candidate};
        rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    }
    return {false, name, std::string(hint)};
}

}  // namespace

int config_check(const Common& common) {
    const Result<config::Settings> settings = config::load(load_options(common));
    if (!settings) return report(settings.error());
    if (common.json) {
        print(R"({"ok":true})");
    } else {
        print(fmt::format("{} {}", green("✓"), tr("the configuration is valid", "配置有效")));
    }
    return kOk;
}

int config_explain(const Common& common, const std::string& filter) {
    const Result<std::vector<config::Explanation>> rows = config::explain(load_options(common));
    if (!rows) return report(rows.error());
    json::array out;
    for (const config::Explanation& row : *rows) {
        if (!row.key.starts_with(filter)) continue;
        if (common.json) {
            out.push_back(json::object{{"key", row.key}, {"type", row.type}, {"default", row.default_value}, {"value", row.value},
                                       {"origin", row.origin}, {"description", row.description}});
            continue;
        }
        const std::string value = row.origin.empty() ? fmt::format("({} {})", tr("default", "默认"), row.default_value) : row.value;
        print(fmt::format("{} = {}  {}", bold(row.key), value, row.origin.empty() ? "" : dim("[" + row.origin + "]")));
        print(fmt::format("    {} ({})", row.description, row.type));
    }
    if (common.json) print(json::serialize(out));
    return kOk;
}

int doctor(const Common& common) {
    std::vector<Finding> findings;
    const Result<config::Settings> settings = config::load(load_options(common));
    const std::string home = settings ? settings->home : config::default_home(common.environment);
    findings.push_back({settings.has_value(), "configuration", settings ? std::string(tr("valid", "有效")) : settings.error().message()});
    findings.push_back(check_home(home));
    findings.push_back(check_models(home));
    findings.push_back(check_tool("pdftotext", tr("needed to read PDF files; install poppler-utils", "读取 PDF 需要它；请安装 poppler-utils")));
    findings.push_back({true, "cpu", fmt::format("{} {}", std::thread::hardware_concurrency(), tr("threads", "线程"))});
    Result<ApiClient> client = ApiClient::connect(common.url, common.key, common.environment);
    const Result<json::object> status = client ? client->get("/atrium/v1/status") : std::unexpected<Error>(client.error());
    findings.push_back({status.has_value(), "server", status ? client->url() : status.error().message()});

    bool healthy = true;
    json::array out;
    for (const Finding& finding : findings) {
        healthy = healthy && finding.ok;
        if (common.json) {
            out.push_back(json::object{{"check", finding.subject}, {"ok", finding.ok}, {"detail", finding.detail}});
        } else {
            print(fmt::format("{} {:<14} {}", finding.ok ? green("✓") : red("✗"), finding.subject, finding.detail));
        }
    }
    if (common.json) print(json::serialize(out));
    return healthy ? kOk : kFailed;
}

int version(const Common& common) {
    print(common.json ? R"({"version":")" ATRIUM_VERSION R"("})" : "atrium " ATRIUM_VERSION);
    return kOk;
}

}  // namespace atrium::cli
