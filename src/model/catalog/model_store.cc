#include "model/catalog/model_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::model {
namespace {

constexpr std::string_view kManifest = "model.json";
constexpr std::uint64_t kMaxManifestBytes = 1 << 20;

json::object defaults_to_json(const ModelDefaults& defaults) {
    json::object object;
    if (!defaults.chat_template.empty()) object["chat_template"] = defaults.chat_template;
    if (!defaults.stop.empty()) object["stop"] = json::array(defaults.stop.begin(), defaults.stop.end());
    if (defaults.temperature >= 0) object["temperature"] = defaults.temperature;
    if (!defaults.query_prefix.empty()) object["query_prefix"] = defaults.query_prefix;
    if (!defaults.passage_prefix.empty()) object["passage_prefix"] = defaults.passage_prefix;
    if (defaults.small_builtin) object["small_builtin"] = true;
    return object;
}

Result<ModelDefaults> defaults_from_json(const json::object& object) {
    const json::Reader reader(object, "defaults");
    ModelDefaults defaults;
    TRY_ASSIGN(auto chat_template, reader.optional_string("chat_template"));
    defaults.chat_template = std::move(chat_template).value_or("");
    TRY_ASSIGN(const json::array* stop, reader.optional_array("stop"));
    if (stop != nullptr) {
        for (const json::value& item : *stop) {
            if (!item.is_string()) return fail(invalid_argument("defaults.stop must be an array of strings"));
            defaults.stop.emplace_back(item.get_string());
        }
    }
    TRY_ASSIGN(const auto temperature, reader.optional_number("temperature", 0, 10));
    defaults.temperature = temperature.value_or(-1);
    TRY_ASSIGN(auto query_prefix, reader.optional_string("query_prefix"));
    defaults.query_prefix = std::move(query_prefix).value_or("");
    TRY_ASSIGN(auto passage_prefix, reader.optional_string("passage_prefix"));
    defaults.passage_prefix = std::move(passage_prefix).value_or("");
    TRY_ASSIGN(const auto small_builtin, reader.optional_bool("small_builtin"));
    defaults.small_builtin = small_builtin.value_or(false);
    return defaults;
}

Result<InstalledModel> from_json(const json::object& object, const Path& folder) {
    const json::Reader reader(object);
    InstalledModel model;
    TRY_ASSIGN(model.name, reader.required_string("name"));
    TRY_ASSIGN(model.version, reader.required_string("version"));
    TRY_ASSIGN(const std::string task, reader.required_string("task"));
    if (task != task_name(ModelTask::kChat) && task != task_name(ModelTask::kEmbedding)) {
        return fail(invalid_argument(fmt::format("task '{}' is unknown", task)));
    }
    model.task = task == task_name(ModelTask::kChat) ? ModelTask::kChat : ModelTask::kEmbedding;
    TRY_ASSIGN(const std::string file, reader.required_string("file"));
    if (!is_model_name(file)) return fail(invalid_argument("file must be a plain file name"));
    model.file = folder / file;
    TRY_ASSIGN(model.sha256, reader.required_string("sha256"));
    constexpr std::int64_t kAny = std::int64_t{1} << 53;
    TRY_ASSIGN(const auto bytes, reader.optional_int("bytes", 0, kAny));
    model.bytes = static_cast<std::uint64_t>(bytes.value_or(0));
    TRY_ASSIGN(auto licence, reader.optional_string("licence"));
    model.licence = std::move(licence).value_or("");
    TRY_ASSIGN(auto source, reader.optional_string("source"));
    model.source = std::move(source).value_or("");
    TRY_ASSIGN(const auto installed_at, reader.optional_int("installed_at", 0, kAny));
    model.installed_at = installed_at.value_or(0);
    TRY_ASSIGN(const auto context_length, reader.optional_int("context_length", 0, std::int64_t{1} << 31));
    model.context_length = static_cast<int>(std::min<std::int64_t>(context_length.value_or(0), 1 << 30));
    TRY_ASSIGN(const auto dimensions, reader.optional_int("embedding_dimensions", 0, 1 << 24));
    model.embedding_dimensions = static_cast<int>(dimensions.value_or(0));
    TRY_ASSIGN(const json::object* defaults, reader.optional_object("defaults"));
    if (defaults != nullptr) {
        TRY_ASSIGN(model.defaults, defaults_from_json(*defaults));
    }
    return model;
}

/// "2" after "10" would be wrong: numbers compare as numbers, anything else by time of installation, then as text.
bool newer(const InstalledModel& a, const InstalledModel& b) {
    const auto a_number = text::to_int(a.version), b_number = text::to_int(b.version);
    if (a_number && b_number && *a_number != *b_number) return *a_number > *b_number;
    if (a.installed_at != b.installed_at) return a.installed_at > b.installed_at;
    return a.version > b.version;
}

}  // namespace

std::string_view task_name(ModelTask task) {
    return task == ModelTask::kChat ? "chat" : "embedding";
}

bool is_model_name(std::string_view text) {
    return !text.empty() && text.size() <= 100 && text.front() != '.' && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}

json::object to_json(const InstalledModel& model) {
    json::object object;
    object["name"] = model.name;
    object["version"] = model.version;
    object["task"] = task_name(model.task);
    object["file"] = model.file.filename().string();
    object["sha256"] = model.sha256;
    object["bytes"] = model.bytes;
    object["licence"] = model.licence;
    object["source"] = model.source;
    object["installed_at"] = model.installed_at;
    object["context_length"] = model.context_length;
    if (model.embedding_dimensions > 0) object["embedding_dimensions"] = model.embedding_dimensions;
    object["defaults"] = defaults_to_json(model.defaults);
    return object;
}

Path ModelStore::folder(std::string_view name, std::string_view version) const {
    return directory_ / fmt::format("{}@{}", name, version);
}

Result<std::vector<InstalledModel>> ModelStore::list() const {
    std::vector<InstalledModel> models;
    auto names = fs_.list(directory_);
    if (!names) {
        if (names.error().code() == Code::kNotFound) return models;
        return fail(std::move(names).error());
    }
    for (const std::string& name : *names) {
        if (name.find('@') == std::string::npos || name.starts_with('.')) continue;
        const Path folder = directory_ / name;
        auto text = fs_.read_file(folder / kManifest, kMaxManifestBytes);
        if (!text) {
            if (text.error().code() == Code::kNotFound) continue;  // an interrupted pull
            return fail(std::move(text).error());
        }
        auto object = json::parse_object(*text);
        auto model = object ? from_json(*object, folder) : Result<InstalledModel>(fail(object.error()));
        if (!model) {
            return fail(data_loss(fmt::format("'{}' is damaged ({}); remove the folder and pull the model again",
                                              (folder / kManifest).string(), model.error().message())));
        }
        models.push_back(std::move(*model));
    }
    std::ranges::sort(models, [](const InstalledModel& a, const InstalledModel& b) {
        return a.name != b.name ? a.name < b.name : newer(a, b);
    });
    return models;
}

Result<InstalledModel> ModelStore::find(std::string_view reference) const {
    TRY_ASSIGN(const auto models, list());
    const auto at = reference.find('@');
    const std::string_view name = reference.substr(0, at);
    for (const InstalledModel& model : models) {  // newest first
        if (model.name == name && (at == std::string_view::npos || model.version == reference.substr(at + 1)))
            return model;
    }
    std::string installed;
    for (const InstalledModel& model : models)
        installed += fmt::format("{}{}@{}", installed.empty() ? "" : ", ", model.name, model.version);
    return fail(not_found(fmt::format("the model '{}' is not installed; installed: {}",
                                      text::shorten(text::to_valid_utf8(reference), 100),
                                      installed.empty() ? "none (atrium pull --default installs two)" : installed))
                    .with_reason("model_not_found"));
}

Result<> ModelStore::check(const InstalledModel& model) const {
    const auto size = fs_.size(model.file);
    if (!size && size.error().code() != Code::kNotFound) return fail(size.error());
    if (size && (*size == model.bytes || model.bytes == 0)) return {};
    return fail(data_loss(fmt::format("the file of the model '{}@{}' is damaged: it has {} bytes instead of {}; repair it "
                                      "with: atrium pull {}",
                                      model.name, model.version, size ? *size : 0, model.bytes, model.name)));
}

Result<> ModelStore::remove(std::string_view reference) {
    TRY_ASSIGN(const InstalledModel model, find(reference));
    const Path folder = this->folder(model.name, model.version);
    TRY(fs_.remove(folder / kManifest));
    TRY_ASSIGN(const auto names, fs_.list(folder));
    for (const std::string& name : names) TRY(fs_.remove(folder / name));
    return fs_.remove(folder);
}

Result<> ModelStore::add(const InstalledModel& model) {
    if (!is_model_name(model.name) || !is_model_name(model.version) || !is_model_name(model.file.filename().string())) {
        return fail(invalid_argument(fmt::format(
            "'{}@{}' cannot be a model's name: letters, digits, '.', '_' and '-' only", model.name, model.version)));
    }
    return write_file_atomically(fs_, folder(model.name, model.version) / kManifest,
                                 json::serialize(to_json(model)) + "\n", 0644);
}

}  // namespace atrium::model
