#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

/// The declaration of every setting, and the reading of the YAML file against it. Private to config/.
namespace atrium::config::internal {

using Origin = std::string;

/// One scalar setting. `apply` parses, checks the range and stores; its error completes the sentence "'key' …".
struct KeySpec {
    std::string key;  ///< "server.listen"
    std::string type;
    std::string default_value;
    std::string description;
    std::function<Result<>(Settings&, const std::string&)> apply;
    bool secret = false;
};
const std::vector<KeySpec>& scalar_keys();

/// A list of objects: models, upstreams.
struct ListField {
    std::string name;
    std::string type;
    std::string default_value;
    std::string description;
    bool required = false;
};
struct ListSpec {
    std::string key;
    std::vector<ListField> fields;
};
const std::vector<ListSpec>& list_keys();

/// What the file says, flattened: scalars by dotted key, lists as rows of fields. A list of strings is one
/// comma-separated scalar.
struct Document {
    struct Scalar {
        std::string value;
        Origin where;  ///< "atrium.yaml:7"
    };
    struct Item {
        Origin where;
        std::map<std::string, Scalar> fields;
    };
    std::map<std::string, Scalar> scalars;
    std::map<std::string, std::vector<Item>> lists;
    std::vector<std::string> problems;  ///< unknown keys, wrong shapes
};

/// Finds and parses the file (or an empty document when there is none and none was named).
Result<Document> read_document(const LoadOptions& options, const std::string& home);

/// Fills Settings::models and ::upstreams; problems are appended.
void apply_lists(const Document& document, const std::map<std::string, std::string>& environment, Settings& settings,
                 std::vector<std::string>& problems);

/// Replaces ${env:NAME} and ${file:PATH} (trailing newline removed). An unset variable or unreadable file is an error.
Result<std::string> resolve_references(const std::string& text, const std::map<std::string, std::string>& environment);

/// ", did you mean 'server.listen'?" or "".
std::string suggestion(std::string_view unknown_key);

std::string absolute_path(const std::string& path);

}  // namespace atrium::config::internal
