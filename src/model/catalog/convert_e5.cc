#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <map>

#include "model/catalog/convert.h"
#include "model/catalog/internal/charsmap.h"

namespace atrium::model {
namespace {

constexpr std::int32_t kTokenNormal = 1;
constexpr std::int32_t kTokenUnknown = 2;
constexpr std::int32_t kTokenControl = 3;

/// "E5S1" and what follows, as it lies in the file (little-endian, packed).
struct Sizes {
    std::int32_t version, hidden, layers, heads, feed_forward, vocabulary, positions, types;
    float epsilon;
    std::int32_t block;  // weights per quantised block
    std::int32_t pieces, bos, eos, pad, unknown;
};
static_assert(sizeof(Sizes) == 60);

struct Stored {
    std::uint8_t type = 0;  // 0: F32, 1: Q4_0
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// The source file, read in order (header) and at random (tensors).
class Source {
public:
    Source(Fs& fs, const Path& path) : fs_(fs), path_(path) {}

    Result<> open() {
        TRY_ASSIGN(size_, fs_.size(path_));
        return {};
    }
    Result<std::string> take(std::uint64_t bytes) {
        TRY_ASSIGN(std::string taken, at(position_, bytes));
        position_ += bytes;
        return taken;
    }
    Result<std::string> at(std::uint64_t offset, std::uint64_t bytes) const {
        if (offset > size_ || bytes > size_ - offset) return fail(damaged("it ends early"));
        TRY_ASSIGN(std::string read, fs_.read_range(path_, offset, bytes));
        if (read.size() != bytes) return fail(damaged("it ends early"));
        return read;
    }
    template <class T>
    Result<T> number() {
        TRY_ASSIGN(const std::string bytes, take(sizeof(T)));
        T value;
        std::memcpy(&value, bytes.data(), sizeof(T));
        return value;
    }
    Error damaged(std::string_view why) const {
        return invalid_argument(fmt::format("{} is not a usable E5S1 model: {}", path_.filename().string(), why));
    }

private:
    Fs& fs_;
    const Path& path_;
    std::uint64_t size_ = 0;
    std::uint64_t position_ = 0;
};

struct Vocabulary {
    std::vector<std::string> pieces;
    std::vector<float> scores;
};

Result<Sizes> read_sizes(Source& source) {
    TRY_ASSIGN(const std::string magic, source.take(4));
    if (magic != "E5S1") return fail(source.damaged("it does not start with 'E5S1'"));
    TRY_ASSIGN(const std::string bytes, source.take(sizeof(Sizes)));
    Sizes sizes;
    std::memcpy(&sizes, bytes.data(), sizeof(Sizes));
    const auto within = [](std::int32_t value, std::int32_t max) { return value > 0 && value <= max; };
    const bool plausible = sizes.version == 1 && within(sizes.hidden, 8192) && sizes.hidden % 32 == 0 &&
                           within(sizes.layers, 128) && within(sizes.heads, 128) && sizes.hidden % sizes.heads == 0 &&
                           within(sizes.feed_forward, 65536) && sizes.feed_forward % 32 == 0 &&
                           within(sizes.vocabulary, 1 << 22) && within(sizes.positions, 65536) &&
                           within(sizes.types, 16) && sizes.block == 32 && within(sizes.pieces, sizes.vocabulary);
    if (!plausible) return fail(source.damaged("its sizes are not those of a sentence encoder"));
    for (const std::int32_t id : {sizes.bos, sizes.eos, sizes.pad, sizes.unknown}) {
        if (id < 0 || id >= sizes.pieces) return fail(source.damaged("a special token lies outside the vocabulary"));
    }
    return sizes;
}

Result<Vocabulary> read_vocabulary(Source& source, const Sizes& sizes) {
    TRY_ASSIGN(const auto text_bytes, source.number<std::uint64_t>());
    if (text_bytes > 64ull << 20) return fail(source.damaged("its vocabulary is too large"));
    const auto count = static_cast<std::size_t>(sizes.pieces);
    TRY_ASSIGN(const std::string offset_bytes, source.take((count + 1) * 4));
    TRY_ASSIGN(const std::string score_bytes, source.take(count * 4));
    TRY_ASSIGN(const std::string text, source.take(text_bytes));
    std::vector<std::uint32_t> offsets(count + 1);
    std::memcpy(offsets.data(), offset_bytes.data(), offset_bytes.size());
    Vocabulary vocabulary;
    vocabulary.scores.resize(count);
    std::memcpy(vocabulary.scores.data(), score_bytes.data(), score_bytes.size());
    vocabulary.pieces.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (offsets[i] > offsets[i + 1] || offsets[i + 1] > text.size())
            return fail(source.damaged("its vocabulary is out of order"));
        vocabulary.pieces.push_back(text.substr(offsets[i], offsets[i + 1] - offsets[i]));
    }
    return vocabulary;
}

Result<std::map<std::string, Stored>> read_directory(Source& source) {
    TRY(source.number<std::int32_t>());  // entries of its own normaliser table, which GGUF carries in another form
    TRY_ASSIGN(const auto table_bytes, source.number<std::uint32_t>());
    TRY(source.take(table_bytes));
    TRY_ASSIGN(const auto count, source.number<std::int32_t>());
    if (count <= 0 || count > 65536) return fail(source.damaged("its tensor directory is damaged"));
    std::map<std::string, Stored> directory;
    for (std::int32_t i = 0; i < count; ++i) {
        TRY_ASSIGN(const auto name_bytes, source.number<std::uint16_t>());
        TRY_ASSIGN(const std::string name, source.take(name_bytes));
        Stored stored;
        TRY_ASSIGN(stored.type, source.number<std::uint8_t>());
        TRY(source.number<std::uint32_t>());  // values; the shapes follow from the sizes
        TRY_ASSIGN(stored.offset, source.number<std::uint64_t>());
        TRY_ASSIGN(stored.bytes, source.number<std::uint64_t>());
        directory.emplace(name, stored);
    }
    return directory;
}

void add_metadata(GgufWriter& out, const Sizes& sizes, const Vocabulary& vocabulary) {
    out.add_string("general.architecture", "bert");
    out.add_string("general.type", "model");
    out.add_string("general.name", "multilingual-e5-small");
    out.add_string("general.license", "mit");
    out.add_u32("general.file_type", 2);  // mostly Q4_0
    out.add_u32("general.quantization_version", 2);
    out.add_u32("bert.block_count", static_cast<std::uint32_t>(sizes.layers));
    out.add_u32("bert.context_length", static_cast<std::uint32_t>(sizes.positions));
    out.add_u32("bert.embedding_length", static_cast<std::uint32_t>(sizes.hidden));
    out.add_u32("bert.feed_forward_length", static_cast<std::uint32_t>(sizes.feed_forward));
    out.add_u32("bert.attention.head_count", static_cast<std::uint32_t>(sizes.heads));
    out.add_f32("bert.attention.layer_norm_epsilon", sizes.epsilon);
    out.add_bool("bert.attention.causal", false);
    out.add_u32("bert.pooling_type", 1);  // mean

    std::vector<std::int32_t> types(vocabulary.pieces.size(), kTokenNormal);
    for (const std::int32_t id : {sizes.bos, sizes.eos, sizes.pad}) types[static_cast<std::size_t>(id)] = kTokenControl;
    types[static_cast<std::size_t>(sizes.unknown)] = kTokenUnknown;
    if (vocabulary.pieces.back() == "<mask>") types.back() = kTokenControl;
    out.add_string("tokenizer.ggml.model", "t5");  // libllama's name for Unigram
    out.add_string("tokenizer.ggml.pre", "default");
    out.add_strings("tokenizer.ggml.tokens", vocabulary.pieces);
    out.add_f32s("tokenizer.ggml.scores", vocabulary.scores);
    out.add_i32s("tokenizer.ggml.token_type", types);
    out.add_u32("tokenizer.ggml.token_type_count", static_cast<std::uint32_t>(sizes.types));
    out.add_bool("tokenizer.ggml.add_space_prefix", true);
    out.add_bool("tokenizer.ggml.remove_extra_whitespaces", true);
    out.add_bytes("tokenizer.ggml.precompiled_charsmap", xlm_roberta_charsmap());
    out.add_u32("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(sizes.bos));
    out.add_u32("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(sizes.eos));
    out.add_u32("tokenizer.ggml.unknown_token_id", static_cast<std::uint32_t>(sizes.unknown));
    out.add_u32("tokenizer.ggml.seperator_token_id", static_cast<std::uint32_t>(sizes.eos));  // spelt so by ggml
    out.add_u32("tokenizer.ggml.padding_token_id", static_cast<std::uint32_t>(sizes.pad));
    out.add_bool("tokenizer.ggml.add_bos_token", true);
    out.add_bool("tokenizer.ggml.add_eos_token", true);
}

}  // namespace

Result<GgufWriter::Written> convert_e5(Fs& fs, const Path& source_path, const Path& target,
                                       const std::function<void(std::uint64_t)>& on_bytes) {
    Source source(fs, source_path);
    TRY(source.open());
    TRY_ASSIGN(const Sizes sizes, read_sizes(source));
    TRY_ASSIGN(const Vocabulary vocabulary, read_vocabulary(source, sizes));
    TRY_ASSIGN(const auto directory, read_directory(source));

    GgufWriter out;
    add_metadata(out, sizes, vocabulary);
    const auto hidden = static_cast<std::uint64_t>(sizes.hidden);
    const auto feed_forward = static_cast<std::uint64_t>(sizes.feed_forward);
    Result<> problem;
    const auto add = [&](const std::string& from, const std::string& to, std::vector<std::uint64_t> dimensions,
                         TensorType type) {
        const auto found = directory.find(from);
        const std::uint8_t wanted = type == TensorType::kQ4_0 ? 1 : 0;
        if (found == directory.end() || found->second.type != wanted) {
            if (problem)
                problem = fail(source.damaged(fmt::format("the tensor '{}' is missing or of another type", from)));
            return;
        }
        const TensorLayout layout = *tensor_layout(static_cast<std::uint32_t>(type));
        std::uint64_t values = 1;
        for (const std::uint64_t dimension : dimensions) values *= dimension;
        const std::uint64_t bytes = values / layout.weights * layout.bytes;
        if (found->second.bytes < bytes && problem)
            problem = fail(source.damaged(fmt::format("the tensor '{}' is too short", from)));
        out.add_tensor(to, std::move(dimensions), type,
                       [&source, offset = found->second.offset, bytes] { return source.at(offset, bytes); });
    };
    // The matrix has rows for ids beyond the last piece, which no text can produce; libllama wants one row per token.
    add("emb.word", "token_embd.weight", {hidden, static_cast<std::uint64_t>(sizes.pieces)}, TensorType::kQ4_0);
    add("emb.pos", "position_embd.weight", {hidden, static_cast<std::uint64_t>(sizes.positions)}, TensorType::kF32);
    add("emb.type", "token_types.weight", {hidden, static_cast<std::uint64_t>(sizes.types)}, TensorType::kF32);
    add("emb.ln.w", "token_embd_norm.weight", {hidden}, TensorType::kF32);
    add("emb.ln.b", "token_embd_norm.bias", {hidden}, TensorType::kF32);
    for (std::int32_t layer = 0; layer < sizes.layers; ++layer) {
        const auto from = [layer](std::string_view name) { return fmt::format("l{}.{}", layer, name); };
        const auto to = [layer](std::string_view name) { return fmt::format("blk.{}.{}", layer, name); };
        const auto linear = [&](std::string_view a, std::string_view b, std::uint64_t in, std::uint64_t rows) {
            add(from(fmt::format("{}.w", a)), to(fmt::format("{}.weight", b)), {in, rows}, TensorType::kQ4_0);
            add(from(fmt::format("{}.b", a)), to(fmt::format("{}.bias", b)), {rows}, TensorType::kF32);
        };
        const auto norm = [&](std::string_view a, std::string_view b) {
            add(from(fmt::format("{}.w", a)), to(fmt::format("{}.weight", b)), {hidden}, TensorType::kF32);
            add(from(fmt::format("{}.b", a)), to(fmt::format("{}.bias", b)), {hidden}, TensorType::kF32);
        };
        linear("q", "attn_q", hidden, hidden);
        linear("k", "attn_k", hidden, hidden);
        linear("v", "attn_v", hidden, hidden);
        linear("ao", "attn_output", hidden, hidden);
        norm("aln", "attn_output_norm");
        linear("fi", "ffn_up", hidden, feed_forward);
        linear("fo", "ffn_down", feed_forward, hidden);
        norm("oln", "layer_output_norm");
    }
    TRY(problem);
    return out.write(fs, target, on_bytes);
}

}  // namespace atrium::model
