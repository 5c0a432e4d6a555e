#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// One function per verb of the command line. Each returns the process's exit code and prints for a person, or one JSON
/// document with `json`. Verbs that talk to a server do it through ApiClient.
namespace atrium::cli {

struct Common {
    std::map<std::string, std::string> environment;
    std::string url;
    std::string key;
    std::string config_file;
    bool json = false;
};

// talk.cc: asking
int chat(const Common& common, const std::string& model, const std::string& prompt, const std::string& system, int max_tokens);
int ask(const Common& common, const std::string& base, const std::string& question);
int search(const Common& common, const std::string& base, const std::string& query, int limit);

// knowledge.cc: knowledge bases and their files
int ingest(const Common& common, const std::string& base, const std::vector<std::string>& paths);
int kb_list(const Common& common);
int kb_create(const Common& common, const std::string& name);
int kb_delete(const Common& common, const std::string& base);

// access.cc: projects and keys
int keys_list(const Common& common, const std::string& project);
int keys_create(const Common& common, const std::string& project, const std::string& name, bool admin);
int keys_revoke(const Common& common, const std::string& project, const std::string& id);
int keys_rotate(const Common& common, const std::string& id, int grace_seconds);
int projects_list(const Common& common);
int projects_create(const Common& common, const std::string& name);

// audit.cc: the log of administrative changes
int audit_verify(const Common& common, const std::string& path);
int audit_export(const Common& common);

// models.cc: the model store on this machine
int models_pull(const Common& common, const std::vector<std::string>& names, bool defaults);
int models_list(const Common& common);
int models_show(const Common& common, const std::string& name);
int models_remove(const Common& common, const std::string& name);

// configuration.cc: the settings, without a server
int config_check(const Common& common);
int config_explain(const Common& common, const std::string& filter);
int doctor(const Common& common);
int version(const Common& common);

}  // namespace atrium::cli
