#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.h"
#include "config/internal/registry.h"

namespace atrium::config::internal {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 1 << 20;

/// Walks the YAML tree and sorts what it finds into the declared keys.
class Reader {
public:
    explicit Reader(std::string file) : file_(std::move(file)) {}

    Document::Item take_one(const ListSpec& spec, const YAML::Node& node, std::vector<std::string>& problems) {
        Document::Item item = take_item(spec, node);
        problems.insert(problems.end(), document_.problems.begin(), document_.problems.end());
        return item;
    }

    Document take(const YAML::Node& root) {
        if (root.IsNull() || !root.IsDefined()) return std::move(document_);
        if (!root.IsMap()) {
            problem(root, "the file must be a mapping of sections");
            return std::move(document_);
        }
        for (const auto& section : root) take_section(section.first, section.second);
        return std::move(document_);
    }

private:
    /// Empty when the text is no file of anybody's.
    std::string where(const YAML::Node& node) const {
        return file_.empty() ? std::string() : fmt::format("{}:{}", file_, node.Mark().line + 1);
    }
    void problem(const YAML::Node& node, const std::string& text) {
        document_.problems.push_back(file_.empty() ? text : fmt::format("{}: {}", where(node), text));
    }

    void take_section(const YAML::Node& name_node, const YAML::Node& node) {
        const std::string name = name_node.as<std::string>();
        const auto list = std::ranges::find(list_keys(), name, &ListSpec::key);
        if (list != list_keys().end()) return take_list(*list, node);
        const bool known = std::ranges::any_of(scalar_keys(), [&](const KeySpec& s) { return s.key.starts_with(name + "."); });
        if (!known) return problem(name_node, fmt::format("unknown section '{}'{}", name, section_suggestion(name)));
        if (node.IsNull()) return;
        if (!node.IsMap()) return problem(node, fmt::format("'{}' must be a mapping", name));
        for (const auto& entry : node) {
            const std::string key = name + "." + entry.first.as<std::string>();
            if (std::ranges::find(scalar_keys(), key, &KeySpec::key) == scalar_keys().end()) {
                problem(entry.first, fmt::format("unknown key '{}'{}", key, suggestion(key)));
            } else if (const auto value = scalar(entry.second, key)) {
                document_.scalars[key] = {*value, where(entry.first)};
            }
        }
    }

    void take_list(const ListSpec& spec, const YAML::Node& node) {
        if (!node.IsNull()) document_.lists[spec.key] = take_items(spec, node);
    }

    std::vector<Document::Item> take_items(const ListSpec& spec, const YAML::Node& node) {
        std::vector<Document::Item> items;
        if (!node.IsSequence()) {
            problem(node, fmt::format("'{}' must be a list", spec.key));
            return items;
        }
        for (const YAML::Node& element : node) {
            if (element.IsMap()) {
                items.push_back(take_item(spec, element));
            } else {
                problem(element, fmt::format("each of '{}' must be a mapping", spec.key));
            }
        }
        return items;
    }

    Document::Item take_item(const ListSpec& spec, const YAML::Node& element) {
        Document::Item item{where(element), {}, {}};
        take_fields(spec, element, "", item);
        for (const ListField& field : spec.fields) {
            if (field.required && !item.fields.contains(field.name)) {
                problem(element, fmt::format("'{}' needs '{}'", spec.key, field.name));
            }
        }
        return item;
    }

    /// `prefix` is "deadlines." inside a nested object.
    void take_fields(const ListSpec& spec, const YAML::Node& node, const std::string& prefix, Document::Item& item) {
        for (const auto& entry : node) {
            const std::string name = prefix + entry.first.as<std::string>();
            const auto list = std::ranges::find(spec.lists, name, &ListSpec::key);
            const bool parent = std::ranges::any_of(
                spec.fields, [&](const ListField& field) { return field.name.starts_with(name + "."); });
            if (list != spec.lists.end()) {
                if (!entry.second.IsNull()) item.lists[name] = take_items(*list, entry.second);
            } else if (parent && prefix.empty()) {
                if (entry.second.IsMap()) {
                    take_fields(spec, entry.second, name + ".", item);
                } else if (!entry.second.IsNull()) {
                    problem(entry.second, fmt::format("'{}' must be a mapping", name));
                }
            } else if (std::ranges::find(spec.fields, name, &ListField::name) == spec.fields.end()) {
                problem(entry.first,
                        fmt::format("unknown key '{}' in '{}'{}", name, spec.key, field_suggestion(spec, name)));
            } else if (const auto value = scalar(entry.second, name)) {
                item.fields[name] = {*value, where(entry.first)};
            }
        }
    }

    std::optional<std::string> scalar(const YAML::Node& node, const std::string& key) {
        if (node.IsNull()) return std::nullopt;
        if (node.IsScalar()) return node.Scalar();
        if (node.IsSequence() && std::ranges::all_of(node, [](const YAML::Node& n) { return n.IsScalar(); })) {
            std::vector<std::string> items;
            for (const YAML::Node& element : node) items.push_back(element.Scalar());
            return fmt::format("{}", fmt::join(items, ","));
        }
        problem(node, fmt::format("'{}' must be a plain value", key));
        return std::nullopt;
    }

    static std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
        const auto near = text::closest(word, known);
        return near ? fmt::format(", did you mean '{}'?", *near) : "";
    }
    static std::string section_suggestion(std::string_view name) {
        std::vector<std::string_view> known;
        for (const KeySpec& spec : scalar_keys()) known.push_back(std::string_view(spec.key).substr(0, spec.key.find('.')));
        for (const ListSpec& list : list_keys()) known.push_back(list.key);
        return did_you_mean(name, known);
    }
    static std::string field_suggestion(const ListSpec& spec, std::string_view name) {
        std::vector<std::string_view> known;
        for (const ListField& field : spec.fields) known.push_back(field.name);
        for (const ListSpec& list : spec.lists) known.push_back(list.key);
        return did_you_mean(name, known);
    }

    std::string file_;
    Document document_;
};

}  // namespace

Result<Document::Item> read_item(const ListSpec& spec, const std::string& json, std::vector<std::string>& problems) {
    try {
        // JSON is YAML, so that what comes over the API is read by the same rules as the file.
        const YAML::Node node = YAML::Load(json);
        if (!node.IsMap()) return fail(invalid_argument(fmt::format("each of '{}' must be an object", spec.key)));
        return Reader("").take_one(spec, node, problems);
    } catch (const YAML::Exception& problem) {
        return fail(invalid_argument(fmt::format("the object cannot be read: {}", problem.msg)));
    }
}

Result<Document> read_document(const LoadOptions& options, const std::string& home) {
    std::string file = options.file;
    if (file.empty()) {
        const auto named = options.environment.find("ATRIUM_CONFIG");
        if (named != options.environment.end()) file = named->second;
    }
    if (file.empty()) {
        file = home + "/atrium.yaml";
        std::error_code error;
        if (!std::filesystem::exists(file, error)) return Document{};
    }
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(file, error);
    std::ifstream in(file, std::ios::binary);
    if (error || !in) return fail(not_found(fmt::format("cannot read the configuration file '{}'", file)));
    if (bytes > kMaxFileBytes) return fail(out_of_range(fmt::format("the configuration file '{}' is larger than 1 MiB", file)));
    const std::string content((std::istreambuf_iterator<char>(in)), {});
    const std::string name = std::filesystem::path(file).filename().string();
    try {
        return Reader(name).take(YAML::Load(content));
    } catch (const YAML::Exception& problem) {
        return fail(invalid_argument(fmt::format("{}:{}: {}", name, problem.mark.line + 1, problem.msg)));
    }
}

}  // namespace atrium::config::internal
