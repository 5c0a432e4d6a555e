#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/catalog/gguf_format.h"
#include "platform/fs/fs.h"

namespace atrium::model {

/// One metadata entry. Scalars keep their bytes in `bytes`; arrays their elements back to back (strings with their
/// length prefixes). Decoding is by the accessors, which answer nothing for another type.
struct GgufEntry {
    std::string key;
    GgufType type = GgufType::kUint32;
    GgufType element = GgufType::kUint32;  ///< of an array
    std::uint64_t count = 1;               ///< of an array
    std::string bytes;

    std::optional<std::string_view> as_string() const;
    std::optional<std::uint64_t> as_unsigned() const;  ///< any integer type, if not negative
    std::optional<double> as_number() const;           ///< any number
    std::optional<bool> as_bool() const;
    std::vector<std::string_view> as_strings() const;  ///< of an array of strings; empty for another type
};

struct GgufTensor {
    std::string name;
    std::vector<std::uint64_t> dimensions;  ///< innermost first, 1 to 4
    std::uint32_t type = 0;                 ///< ggml's number
    std::uint64_t offset = 0;               ///< from the start of the data
    std::uint64_t bytes = 0;
};

/// Everything of a GGUF file but its weights.
struct GgufHeader {
    std::uint32_t version = 0;
    std::uint64_t alignment = kGgufDefaultAlignment;
    std::uint64_t data_offset = 0;  ///< from the start of the file
    std::vector<GgufEntry> metadata;
    std::vector<GgufTensor> tensors;

    const GgufEntry* find(std::string_view key) const;
    std::optional<std::string_view> string(std::string_view key) const;
    std::optional<std::uint64_t> number(std::string_view key) const;
    /// "<architecture>.<key>", e.g. arch_number("context_length").
    std::optional<std::uint64_t> arch_number(std::string_view key) const;
};

/// Reads a header from the first bytes of a file of `file_bytes`. Never reads outside `prefix`, never allocates more
/// than a small multiple of it, and accepts nothing that ggml would refuse or trip over: every count, length,
/// dimension, size and offset is checked with overflow in mind, and tensors must lie one after another inside the file.
/// kInvalidArgument names the defect; kOutOfRange: sound so far, but `prefix` is too short and the file goes on.
Result<GgufHeader> parse_gguf(std::string_view prefix, std::uint64_t file_bytes);

/// Whether the metadata fits together so that libllama can be shown the file: an architecture is named, the tokenizer's
/// arrays have the right types and one length, special tokens lie inside the vocabulary, the normaliser table is sound.
Result<> check_gguf_metadata(const GgufHeader& header);

/// Both, for a file: what has to pass before any library maps it. Headers above 128 MiB are refused. Blocking.
/// Errors start with the file's name.
Result<GgufHeader> validate_gguf(Fs& fs, const Path& file);

}  // namespace atrium::model
