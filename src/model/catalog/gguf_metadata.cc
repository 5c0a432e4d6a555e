// What libllama takes on trust from a GGUF's metadata: it indexes the tokenizer's arrays by token without comparing
// their lengths, reinterprets them without looking at their element type, and computes pointers into the normaliser
// table.
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "base/text.h"
#include "model/catalog/gguf_reader.h"

namespace atrium::model {
namespace {

constexpr std::uint64_t kMaxLayers = 4096;
constexpr std::uint64_t kMaxWidth = 1 << 24;

Result<const GgufEntry*> array_of(const GgufHeader& header, std::string_view key,
                                  std::initializer_list<GgufType> elements) {
    const GgufEntry* entry = header.find(key);
    if (entry == nullptr) return entry;
    if (entry->type != GgufType::kArray) {
        return fail(invalid_argument(fmt::format("{} is {}, it must be an array", key, gguf_type_name(entry->type))));
    }
    for (const GgufType element : elements) {
        if (entry->element == element) return entry;
    }
    return fail(invalid_argument(
        fmt::format("{} is an array of {}, not of what its readers expect", key, gguf_type_name(entry->element))));
}

Result<> check_tokenizer(const GgufHeader& header) {
    TRY_ASSIGN(const GgufEntry* tokens, array_of(header, "tokenizer.ggml.tokens", {GgufType::kString}));
    const std::uint64_t count = tokens == nullptr ? 0 : tokens->count;
    const auto same_length = [&](const GgufEntry* entry) -> Result<> {
        if (entry == nullptr || entry->count == count) return {};
        return fail(invalid_argument(fmt::format("{} has {} elements for {} tokens", entry->key, entry->count, count)));
    };
    TRY_ASSIGN(const GgufEntry* scores, array_of(header, "tokenizer.ggml.scores", {GgufType::kFloat32}));
    TRY(same_length(scores));
    TRY_ASSIGN(const GgufEntry* types,
               array_of(header, "tokenizer.ggml.token_type", {GgufType::kInt32, GgufType::kUint32}));
    TRY(same_length(types));
    TRY(array_of(header, "tokenizer.ggml.merges", {GgufType::kString}));
    if (count > std::uint64_t{1} << 26)
        return fail(invalid_argument(fmt::format("a vocabulary of {} tokens is not plausible", count)));

    for (const GgufEntry& entry : header.metadata) {
        if (!entry.key.starts_with("tokenizer.ggml.") || !entry.key.ends_with("_token_id")) continue;
        const auto id = entry.as_unsigned();
        if (!id) return fail(invalid_argument(fmt::format("{} is not a token number", entry.key)));
        // Some converters write 2³²-1 for "none"; libllama understands that.
        if (*id >= count && *id != 0xffffffffu) {
            return fail(invalid_argument(fmt::format("{} is {}, the vocabulary has {} tokens", entry.key, *id, count)));
        }
    }
    TRY_ASSIGN(const GgufEntry* charsmap,
               array_of(header, "tokenizer.ggml.precompiled_charsmap", {GgufType::kUint8, GgufType::kInt8}));
    if (charsmap != nullptr && charsmap->count > 0) {
        std::uint32_t table = 0;
        if (charsmap->count >= sizeof(table)) std::memcpy(&table, charsmap->bytes.data(), sizeof(table));
        // u32 length, that many bytes of double array, then NUL-terminated replacement texts.
        if (charsmap->count < sizeof(table) || table % 4 != 0 || table > charsmap->count - sizeof(table) ||
            charsmap->bytes.back() != '\0') {
            return fail(invalid_argument("tokenizer.ggml.precompiled_charsmap is damaged"));
        }
    }
    return {};
}

}  // namespace

Result<> check_gguf_metadata(const GgufHeader& header) {
    const auto architecture = header.string("general.architecture");
    if (!architecture || architecture->empty() || architecture->size() > 64 || !text::is_utf8(*architecture)) {
        return fail(invalid_argument("general.architecture is missing: not a model that can be served"));
    }
    struct Bound {
        std::string_view key;
        std::uint64_t max;
    };
    static constexpr std::array<Bound, 4> kBounds = {{{"block_count", kMaxLayers},
                                                      {"context_length", std::uint64_t{1} << 31},
                                                      {"embedding_length", kMaxWidth},
                                                      {"vocab_size", std::uint64_t{1} << 26}}};
    for (const auto& [key, max] : kBounds) {
        const std::string name = fmt::format("{}.{}", *architecture, key);
        if (header.find(name) == nullptr) continue;
        const auto value = header.number(name);
        if (!value || *value == 0 || *value > max) {
            return fail(invalid_argument(fmt::format("{} must be a whole number from 1 to {}", name, max)));
        }
    }
    return check_tokenizer(header);
}

}  // namespace atrium::model
