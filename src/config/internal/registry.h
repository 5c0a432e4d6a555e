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

/// A list of objects: models, upstreams. A field called "deadlines.ttft" is the member `ttft` of a nested object.
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
    std::vector<ListSpec> lists = {};  ///< lists of objects inside each object: the arms of an alias
};
const std::vector<ListSpec>& list_keys();
const ListSpec& upstream_spec();
const ListSpec& alias_spec();
const ListSpec& rate_limit_spec();
const ListSpec& budget_spec();
const ListSpec& price_spec();

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
        std::map<std::string, std::vector<Item>> lists = {};
    };
    std::map<std::string, Scalar> scalars;
    std::map<std::string, std::vector<Item>> lists;
    std::vector<std::string> problems;  ///< unknown keys, wrong shapes
};

/// Finds and parses the file (or an empty document when there is none and none was named).
Result<Document> read_document(const LoadOptions& options, const std::string& home);

/// One object of a list, from JSON text. Places are not named; problems as above.
Result<Document::Item> read_item(const ListSpec& spec, const std::string& json, std::vector<std::string>& problems);

/// Fills Settings::models, ::upstreams and ::aliases; problems are appended.
void apply_lists(const Document& document, const std::map<std::string, std::string>& environment, Settings& settings,
                 std::vector<std::string>& problems);

using Environment = std::map<std::string, std::string>;

/// The entries of `upstreams` and `aliases`. Without an environment references stay as they are.
UpstreamSettings take_upstream(const Document::Item& item, const Environment* environment,
                               std::vector<std::string>& problems);
AliasSettings take_alias(const Document::Item& item, std::vector<std::string>& problems);
/// The entries of `rate_limits`, `budgets` and `prices`.
void take_metering(const Document& document, Settings& settings, std::vector<std::string>& problems);
/// What one entry alone cannot know: names that are taken twice.
void check_names(const Settings& settings, std::vector<std::string>& problems);

Result<std::int64_t> parse_integer(const std::string& value, std::int64_t min, std::int64_t max);
Result<bool> parse_bool(const std::string& value);
std::vector<std::string> parse_list(const std::string& value);

/// Replaces ${env:NAME} and ${file:PATH} (trailing newline removed). An unset variable or unreadable file is an error.
Result<std::string> resolve_references(const std::string& text, const std::map<std::string, std::string>& environment);

/// ", did you mean 'server.listen'?" or "".
std::string suggestion(std::string_view unknown_key);

std::string absolute_path(const std::string& path);

}  // namespace atrium::config::internal
