#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "platform/fs/fs.h"

namespace atrium::model {

enum class ModelTask { kChat, kEmbedding };

/// How to talk to a model that brings no (usable) chat template of its own, and its default sampling.
struct ModelDefaults {
    std::string chat_template;      ///< jinja; empty: the one inside the file
    std::vector<std::string> stop;  ///< added to every chat request
    double temperature = -1;        ///< < 0: the API's default
    std::string query_prefix;       ///< embeddings: "query: "
    std::string passage_prefix;     ///< embeddings: "passage: "
    bool small_builtin = false;     ///< the console says plainly that this is the small built-in model
};

/// One installed, immutable version of a model.
struct InstalledModel {
    std::string name;     ///< "gemma-3-270m"
    std::string version;  ///< "1"
    ModelTask task = ModelTask::kChat;
    Path file;  ///< the GGUF
    std::string sha256;
    std::uint64_t bytes = 0;
    std::string licence;
    std::string source;  ///< where it was taken from
    std::int64_t installed_at = 0;
    int context_length = 0;
    int embedding_dimensions = 0;  ///< 0 for chat models
    ModelDefaults defaults;
};
json::object to_json(const InstalledModel& model);
std::string_view task_name(ModelTask task);  ///< "chat", "embedding"
/// Whether text may be a model's name or version, and so a folder's: [A-Za-z0-9._-], not starting with a dot, ≤ 100
/// bytes.
bool is_model_name(std::string_view text);

/// The models under `$ATRIUM_HOME/models`: one folder per name@version with the file and model.json, written last and
/// atomically, so a folder without model.json is an interrupted pull. Thread-safe; several processes may read.
class ModelStore {
public:
    explicit ModelStore(Fs& fs, Path directory) : fs_(fs), directory_(std::move(directory)) {}
    /// By name, newest version of each first. A folder that cannot be read is an error that names it.
    Result<std::vector<InstalledModel>> list() const;
    /// By "name" (newest version) or "name@version"; kNotFound that names what is installed.
    Result<InstalledModel> find(std::string_view reference) const;
    /// Whether its file is there in its full length; kDataLoss says what is missing and how to repair it. Not its digest:
    /// that takes as long as reading the file.
    Result<> check(const InstalledModel& model) const;
    /// Every file of it, model.json first: from then on nobody finds it. A process that has it open keeps it.
    Result<> remove(std::string_view reference);
    /// Writes model.json, which makes the model exist; its file must lie in folder(name, version) already.
    Result<> add(const InstalledModel& model);
    Path folder(std::string_view name, std::string_view version) const;
    const Path& directory() const { return directory_; }
    Fs& fs() const { return fs_; }

private:
    Fs& fs_;
    Path directory_;
};

}  // namespace atrium::model
