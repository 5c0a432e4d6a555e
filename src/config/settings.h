#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The typed configuration: YAML file < environment (ATRIUM__SECTION__KEY) < command line.
/// Every key is declared once, in settings.cc, with its type, default, range and explanation; `load` rejects unknown
/// keys with a suggestion and names file and line. Secrets are references (${env:NAME}, ${file:PATH}) resolved at load.
namespace atrium::config {

struct ServerSettings {
    std::string listen = "127.0.0.1:8080";
    int threads = 2;
    std::uint64_t max_body_bytes = 32ull << 20;         ///< JSON routes
    std::uint64_t max_upload_bytes = 512ull << 20;      ///< file uploads
    std::chrono::seconds drain_timeout{30};
    std::vector<std::string> allowed_origins;           ///< CORS; empty: same origin only
};

struct StorageSettings {
    std::string database = "sqlite:///atrium.db";  ///< relative paths are below the home folder
    std::string files = "file:///files";
};

struct LogSettings {
    std::string level = "info";
    std::string format = "json";  ///< or "text"
    std::string file;
};

struct ModelSettings {
    std::string name;      ///< as installed: "gemma-3-270m" or "name@version"
    int context = 8192;    ///< tokens of KV cache shared by all slots
    int slots = 8;         ///< sequences at once
    int threads = 0;       ///< 0: all cores
};

struct UpstreamSettings {
    std::string name;
    std::string dialect = "openai";
    std::string url;
    std::string key;
    std::vector<std::string> models;
};

struct LimitSettings {
    int requests_per_minute = 600;
    int concurrent = 32;
};

struct KnowledgeSettings {
    std::string embedding_model;  ///< empty: the first ready embedding model
    std::string answer_model;     ///< empty: the first ready chat model
    int chunk_tokens = 300;
    int chunk_overlap_tokens = 0;
    bool sample = true;           ///< create the sample knowledge base on first start
};

struct Settings {
    std::string home;  ///< $ATRIUM_HOME, absolute
    ServerSettings server;
    StorageSettings storage;
    LogSettings log;
    std::vector<ModelSettings> models;  ///< empty: everything that is installed
    std::vector<UpstreamSettings> upstreams;
    LimitSettings limits;
    KnowledgeSettings knowledge;
};

struct LoadOptions {
    std::string file;  ///< empty: ATRIUM_CONFIG, else $ATRIUM_HOME/atrium.yaml if it exists, else defaults
    std::map<std::string, std::string> environment;  ///< injected; main passes the process environment
    std::map<std::string, std::string> overrides;    ///< "server.listen" → value, from the command line
};

/// Everything wrong is reported at once, one line each: "atrium.yaml:7: unknown key 'server.lisen', did you mean 'listen'?"
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

/// ${XDG_DATA_HOME:-~/.local/share}/atrium unless ATRIUM_HOME is set.
std::string default_home(const std::map<std::string, std::string>& environment);

}  // namespace atrium::config
