#include "config/settings.h"

#include <fmt/format.h>

#include <functional>

#include "base/text.h"
#include "config/internal/registry.h"

namespace atrium::config {
namespace {

using internal::KeySpec;
using internal::Origin;

/// The value of one key, wherever it came from.
struct Resolved {
    std::string value;
    std::string origin;
};

std::map<std::string, Resolved> resolve_scalars(const internal::Document& document, const LoadOptions& options,
                                                std::vector<std::string>& problems) {
    std::map<std::string, Resolved> values;
    for (const KeySpec& spec : internal::scalar_keys()) values[spec.key] = {spec.default_value, "default"};
    for (const auto& [key, scalar] : document.scalars) values[key] = {scalar.value, scalar.where};

    constexpr std::string_view kPrefix = "ATRIUM__";
    for (const auto& [name, value] : options.environment) {
        if (!name.starts_with(kPrefix)) continue;
        std::string key = text::to_lower_ascii(std::string_view(name).substr(kPrefix.size()));
        for (std::size_t at = key.find("__"); at != std::string::npos; at = key.find("__", at)) key.replace(at, 2, ".");
        if (!values.contains(key)) {
            problems.push_back(fmt::format("environment: {} names no setting{}", name, internal::suggestion(key)));
            continue;
        }
        values[key] = {value, "environment"};
    }
    for (const auto& [key, value] : options.overrides) {
        if (!values.contains(key)) {
            problems.push_back(fmt::format("command line: unknown setting '{}'{}", key, internal::suggestion(key)));
            continue;
        }
        values[key] = {value, "command line"};
    }
    return values;
}

Result<Settings> build(const LoadOptions& options, std::map<std::string, Resolved>& values) {
    std::vector<std::string> problems;
    Settings settings;
    settings.home = default_home(options.environment);
    const Result<internal::Document> document = internal::read_document(options, settings.home);
    if (!document) return fail(document.error());
    problems = document->problems;
    values = resolve_scalars(*document, options, problems);

    for (const KeySpec& spec : internal::scalar_keys()) {
        Resolved& resolved = values[spec.key];
        const Result<std::string> plain = internal::resolve_references(resolved.value, options.environment);
        const Result<> applied = plain ? spec.apply(settings, *plain) : std::unexpected<Error>(plain.error());
        if (!applied) problems.push_back(fmt::format("{}: '{}' {}", resolved.origin, spec.key, applied.error().message()));
    }
    internal::apply_lists(*document, options.environment, settings, problems);

    if (problems.empty()) return settings;
    std::string message = "the configuration has errors:";
    for (const std::string& problem : problems) message += "\n  " + problem;
    return fail(invalid_argument(std::move(message)));
}

void explain_list(const internal::ListSpec& list, const std::string& prefix, std::vector<Explanation>& rows) {
    const std::string path = fmt::format("{}{}[].", prefix, list.key);
    for (const internal::ListField& field : list.fields) {
        rows.push_back({path + field.name, field.type, field.default_value, "", "", field.description});
    }
    for (const internal::ListSpec& nested : list.lists) explain_list(nested, path, rows);
}

}  // namespace

Result<Settings> load(const LoadOptions& options) {
    std::map<std::string, Resolved> values;
    return build(options, values);
}

Result<std::vector<Explanation>> explain(const LoadOptions& options) {
    std::map<std::string, Resolved> values;
    TRY(build(options, values));
    std::vector<Explanation> rows;
    for (const KeySpec& spec : internal::scalar_keys()) {
        const Resolved& resolved = values[spec.key];
        const std::string shown = spec.secret && !resolved.value.empty() ? "***" : resolved.value;
        rows.push_back({spec.key, spec.type, spec.default_value, shown, resolved.origin, spec.description});
    }
    for (const internal::ListSpec& list : internal::list_keys()) explain_list(list, "", rows);
    return rows;
}

std::string default_home(const std::map<std::string, std::string>& environment) {
    const auto variable = [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    };
    if (const std::string home = variable("ATRIUM_HOME"); !home.empty()) return internal::absolute_path(home);
    if (const std::string data = variable("XDG_DATA_HOME"); !data.empty()) return internal::absolute_path(data + "/atrium");
    const std::string user = variable("HOME");
    return internal::absolute_path((user.empty() ? std::string("/var/lib") : user + "/.local/share") + "/atrium");
}

}  // namespace atrium::config
