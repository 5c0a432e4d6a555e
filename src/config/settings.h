#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

/// The typed configuration: YAML file < environment (ATRIUM__SECTION__KEY) < command line.
/// Every key is declared once, in settings.cc, with its type, default, range and explanation; `load` rejects unknown
/// keys with a suggestion and names file and line. Secrets are references (${env:NAME}, ${file:PATH}) resolved at load.
namespace atrium::config {

struct ServerSettings {
    std::string listen = "127.0.0.1:8080";
    int threads = 2;
    std::uint64_t max_body_bytes = 32ull << 20;     ///< JSON routes
    std::uint64_t max_upload_bytes = 512ull << 20;  ///< file uploads
    std::chrono::seconds drain_timeout{30};
    std::vector<std::string> allowed_origins;  ///< CORS; empty: same origin only
};

struct StorageSettings {
    std::string database = "sqlite:///atrium.db";  ///< relative paths are below the home folder
    std::string files = "file:///files";
    std::string cache = "memory://";  ///< or redis://…: what gateways of one installation share
};

struct LogSettings {
    std::string level = "info";
    std::string format = "json";  ///< or "text"
    std::string file;
};

struct ModelSettings {
    std::string name;    ///< as installed: "gemma-3-270m" or "name@version"
    int context = 8192;  ///< tokens of KV cache shared by all slots
    int slots = 8;       ///< sequences at once
    int threads = 0;     ///< 0: all cores
};

/// How long each part of an upstream call may take; each ends the attempt on its own.
struct DeadlineSettings {
    std::chrono::milliseconds connect{3'000};    ///< until the connection stands
    std::chrono::milliseconds ttft{600'000};     ///< until the first content of the answer
    std::chrono::milliseconds idle{120'000};     ///< between two pieces of it
    std::chrono::milliseconds total{3'600'000};  ///< until its end
};

struct HealthCheckSettings {
    std::string path;  ///< relative to the host, "/health"; empty: no active checks
    std::chrono::milliseconds interval{10'000};
};

/// US dollars per million tokens.
struct PriceSettings {
    double input = 0;
    double output = 0;
};

struct UpstreamSettings {
    std::string name;
    std::string dialect = "openai";
    std::string url;
    std::string api_version;  ///< empty: the dialect's usual one
    std::string key;
    std::vector<std::string> models;
    double weight = 1;       ///< share among the upstreams that serve one model; 0: only when called as "name/model"
    int retries = 2;         ///< further attempts after a failure that another attempt may cure
    int max_concurrent = 0;  ///< calls at once; 0: no limit
    DeadlineSettings deadlines;
    HealthCheckSettings health_check;
    std::optional<PriceSettings> price;
};

struct ArmSettings {
    std::string target;  ///< "model" or "upstream/model"
    double weight = 1;
};

/// What is asked instead, in this order, by what went wrong.
struct FallbackSettings {
    std::vector<std::string> rate_limit;
    std::vector<std::string> context_length;
    std::vector<std::string> content;
    std::vector<std::string> outage;
};

struct ShadowSettings {
    std::string target;
    double percent = 0;  ///< of the requests, copied; their answers are measured and dropped
};

/// A model name of this installation, and what stands behind it.
struct AliasSettings {
    std::string name;
    std::vector<ArmSettings> arms;
    std::string strategy = "weighted";  ///< one of alias_strategies()
    bool sticky = true;                 ///< one conversation, user or key stays where it is
    FallbackSettings fallbacks;
    std::vector<ShadowSettings> shadow;
};

/// What every key may do that has no limits of its own. 0: no limit.
struct LimitSettings {
    int requests_per_minute = 600;
    int concurrent = 32;
    std::int64_t tokens_per_minute = 0;
    int default_output_tokens = 1024;  ///< reserved for an answer whose request names no maximum
};

/// A limit on one subject: "model:gpt-*", "project:proj_…", "organization:org_…", "user:…", "key:…".
struct SubjectLimitSettings {
    std::string subject;
    std::int64_t requests_per_minute = 0;
    std::int64_t tokens_per_minute = 0;
    std::int64_t concurrent = 0;
};

/// What one subject may spend, in millionths of a US dollar. 0: no budget.
struct BudgetSettings {
    std::string subject;  ///< "organization:org_…", "project:…", "user:…", "key:…"
    std::int64_t micros_per_day = 0;
    std::int64_t micros_per_month = 0;
    int alert_percent = 80;
};

/// In millionths of a US dollar per million tokens, and per request.
struct ModelPriceSettings {
    std::string model;  ///< name, pattern with '*', or "upstream/name"
    std::int64_t input = 0;
    std::optional<std::int64_t> cached_input;  ///< like input
    std::optional<std::int64_t> cache_write;   ///< like input
    std::int64_t output = 0;
    std::int64_t request = 0;
    std::int64_t valid_from = 0;  ///< unix seconds
};

struct UsageSettings {
    int keep_calls_days = 90;   ///< single calls
    int keep_hours_days = 400;  ///< hourly sums; daily sums stay
};

struct KnowledgeSettings {
    std::string embedding_model;  ///< empty: the first ready embedding model
    std::string answer_model;     ///< empty: the first ready chat model
    int chunk_tokens = 300;
    int chunk_overlap_tokens = 0;
    bool sample = true;  ///< create the sample knowledge base on first start
};

struct Settings {
    std::string home;  ///< $ATRIUM_HOME, absolute
    ServerSettings server;
    StorageSettings storage;
    LogSettings log;
    std::vector<ModelSettings> models;  ///< empty: everything that is installed
    std::vector<UpstreamSettings> upstreams;
    std::vector<AliasSettings> aliases;
    LimitSettings limits;
    std::vector<SubjectLimitSettings> rate_limits;
    std::vector<BudgetSettings> budgets;
    std::vector<ModelPriceSettings> prices;
    UsageSettings usage;
    KnowledgeSettings knowledge;
};

struct LoadOptions {
    std::string file;  ///< empty: ATRIUM_CONFIG, else $ATRIUM_HOME/atrium.yaml if it exists, else defaults
    std::map<std::string, std::string> environment;  ///< injected; main passes the process environment
    std::map<std::string, std::string> overrides;    ///< "server.listen" → value, from the command line
};

/// Everything wrong is reported at once, one line each: "atrium.yaml:7: unknown key 'server.lisen', did you mean
/// 'listen'?"
Result<Settings> load(const LoadOptions& options);

/// One row per setting: key, type, default, effective value, where it comes from, what it does. Secrets show as "***".
struct Explanation {
    std::string key;
    std::string type;
    std::string default_value;
    std::string value;
    std::string origin;  ///< "default", "atrium.yaml:3", "environment", "command line"
    std::string description;
};
Result<std::vector<Explanation>> explain(const LoadOptions& options);

/// "weighted", "least_outstanding", "latency", "cost", "ordered", "prefix".
const std::vector<std::string>& alias_strategies();

/// One entry of `upstreams` or `aliases` that came over the API: the same keys, ranges and messages as in the file.
/// A key of an upstream must be a reference and stays one; resolve_secret() reads it when it is used.
Result<UpstreamSettings> upstream_from_json(const json::object& object);
Result<AliasSettings> alias_from_json(const json::object& object);
/// The reverse, for storing and showing. `key` as it stands in the settings: show nobody one that was resolved.
json::object to_json(const UpstreamSettings& upstream);
json::object to_json(const AliasSettings& alias);

/// Replaces ${env:NAME} and ${file:PATH}; kInvalidArgument when one of them does not exist.
Result<std::string> resolve_secret(const std::string& text, const std::map<std::string, std::string>& environment);

/// ${XDG_DATA_HOME:-~/.local/share}/atrium unless ATRIUM_HOME is set.
std::string default_home(const std::map<std::string, std::string>& environment);

}  // namespace atrium::config
