#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/json.h"
#include "base/text.h"
#include "model/catalog/convert.h"

namespace atrium::model {
namespace {

constexpr std::int32_t kTokenNormal = 1;
constexpr std::int32_t kTokenControl = 3;

struct BertSizes {
    std::uint32_t layers = 0, positions = 0, hidden = 0, feed_forward = 0, heads = 0, types = 0, vocabulary = 0;
    float epsilon = 0;
};

/// https://huggingface.co/docs/safetensors: u64 header length, JSON header, data.
class Safetensors {
public:
    static Result<Safetensors> open(Fs& fs, const Path& path) {
        Safetensors file(fs, path);
        TRY_ASSIGN(const std::uint64_t size, fs.size(path));
        TRY_ASSIGN(const std::string length_bytes, fs.read_range(path, 0, 8));
        std::uint64_t length = 0;
        if (length_bytes.size() == 8) std::memcpy(&length, length_bytes.data(), 8);
        if (length == 0 || length > 64ull << 20 || length > size - 8)
            return fail(file.damaged("its header is damaged"));
        TRY_ASSIGN(const std::string header, fs.read_range(path, 8, length));
        auto parsed = json::parse_object(header);
        if (!parsed) return fail(file.damaged(parsed.error().message()));
        file.header_ = std::move(*parsed);
        file.data_offset_ = 8 + length;
        file.data_bytes_ = size - file.data_offset_;
        return file;
    }

    /// The F32 bytes of a tensor that must have `values` values.
    Result<std::string> read(std::string_view name, std::uint64_t values) const {
        const json::value* entry = header_.if_contains(name);
        if (entry == nullptr || !entry->is_object())
            return fail(damaged(fmt::format("the tensor '{}' is missing", name)));
        const json::Reader reader(entry->get_object(), std::string(name));
        TRY_ASSIGN(const std::string type, reader.required_string("dtype"));
        if (type != "F32") return fail(damaged(fmt::format("the tensor '{}' is {}, F32 is expected", name, type)));
        TRY_ASSIGN(const json::array* range, reader.required_array("data_offsets"));
        if (range->size() != 2 || !(*range)[0].is_int64() || !(*range)[1].is_int64()) {
            return fail(damaged(fmt::format("the tensor '{}' has no place", name)));
        }
        const auto begin = static_cast<std::uint64_t>((*range)[0].get_int64());
        const auto end = static_cast<std::uint64_t>((*range)[1].get_int64());
        if (begin > end || end > data_bytes_ || end - begin != values * sizeof(float)) {
            return fail(damaged(
                fmt::format("the tensor '{}' does not have the {} values that config.json implies", name, values)));
        }
        return fs_->read_range(path_, data_offset_ + begin, end - begin);
    }

private:
    Safetensors(Fs& fs, Path path) : fs_(&fs), path_(std::move(path)) {}
    Error damaged(std::string_view why) const {
        return invalid_argument(fmt::format("{}: {}", path_.filename().string(), why));
    }

    Fs* fs_;
    Path path_;
    json::object header_;
    std::uint64_t data_offset_ = 0;
    std::uint64_t data_bytes_ = 0;
};

Result<BertSizes> read_config(Fs& fs, const Path& path) {
    TRY_ASSIGN(const std::string text, fs.read_file(path, 1 << 20));
    TRY_ASSIGN(const json::object config, json::parse_object(text));
    const json::Reader reader(config, "config.json");
    BertSizes sizes;
    const auto take = [&](std::string_view key, std::int64_t max, std::uint32_t& out) -> Result<> {
        TRY_ASSIGN(const auto value, reader.optional_int(key, 1, max));
        if (!value) return fail(invalid_argument(fmt::format("{} is missing", reader.name(key))));
        out = static_cast<std::uint32_t>(*value);
        return {};
    };
    TRY(take("num_hidden_layers", 128, sizes.layers));
    TRY(take("max_position_embeddings", 65536, sizes.positions));
    TRY(take("hidden_size", 8192, sizes.hidden));
    TRY(take("intermediate_size", 65536, sizes.feed_forward));
    TRY(take("num_attention_heads", 128, sizes.heads));
    TRY(take("type_vocab_size", 16, sizes.types));
    TRY(take("vocab_size", 1 << 22, sizes.vocabulary));
    TRY_ASSIGN(const auto epsilon, reader.optional_number("layer_norm_eps", 0, 1));
    sizes.epsilon = static_cast<float>(epsilon.value_or(1e-12));
    return sizes;
}

struct Words {
    std::vector<std::string> tokens;
    std::vector<std::int32_t> types;
    std::array<std::uint32_t, 5> special{};  // [PAD] [UNK] [CLS] [SEP] [MASK]
};
constexpr std::array<std::string_view, 5> kSpecial = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/// WordPiece as libllama wants it: "##x" continues a word and is stored as "x"; what starts a word begins with U+2581.
Result<Words> read_words(Fs& fs, const Path& path, const BertSizes& sizes) {
    TRY_ASSIGN(const std::string text, fs.read_file(path, 64 << 20));
    Words words;
    std::array<bool, kSpecial.size()> found{};
    for (std::string_view line : text::split(text, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) continue;
        const auto special = std::find(kSpecial.begin(), kSpecial.end(), line);
        if (special != kSpecial.end()) {
            const auto index = static_cast<std::size_t>(special - kSpecial.begin());
            found[index] = true;
            words.special[index] = static_cast<std::uint32_t>(words.tokens.size());
            words.tokens.emplace_back(line);
            words.types.push_back(kTokenControl);
            continue;
        }
        words.tokens.push_back(line.starts_with("##") ? std::string(line.substr(2)) : "\u2581" + std::string(line));
        words.types.push_back(kTokenNormal);
    }
    for (std::size_t i = 0; i < kSpecial.size(); ++i) {
        if (!found[i])
            return fail(invalid_argument(fmt::format("{} has no {}", path.filename().string(), kSpecial[i])));
    }
    if (words.tokens.size() != sizes.vocabulary) {
        return fail(invalid_argument(fmt::format("{} has {} words, config.json says {}", path.filename().string(),
                                                 words.tokens.size(), sizes.vocabulary)));
    }
    return words;
}

void add_metadata(GgufWriter& out, const BertSizes& sizes, const Words& words, const std::string& name) {
    out.add_string("general.architecture", "bert");
    out.add_string("general.type", "model");
    out.add_string("general.name", name);
    out.add_u32("general.file_type", 1);  // mostly F16
    out.add_u32("bert.block_count", sizes.layers);
    out.add_u32("bert.context_length", sizes.positions);
    out.add_u32("bert.embedding_length", sizes.hidden);
    out.add_u32("bert.feed_forward_length", sizes.feed_forward);
    out.add_u32("bert.attention.head_count", sizes.heads);
    out.add_f32("bert.attention.layer_norm_epsilon", sizes.epsilon);
    out.add_bool("bert.attention.causal", false);
    out.add_u32("bert.pooling_type", 1);  // mean
    out.add_string("tokenizer.ggml.model", "bert");
    out.add_string("tokenizer.ggml.pre", "default");
    out.add_strings("tokenizer.ggml.tokens", words.tokens);
    out.add_i32s("tokenizer.ggml.token_type", words.types);
    out.add_u32("tokenizer.ggml.token_type_count", sizes.types);
    const auto [pad, unknown, cls, sep, mask] = words.special;
    out.add_u32("tokenizer.ggml.bos_token_id", cls);
    out.add_u32("tokenizer.ggml.eos_token_id", sep);
    out.add_u32("tokenizer.ggml.unknown_token_id", unknown);
    out.add_u32("tokenizer.ggml.seperator_token_id", sep);  // spelt so by ggml
    out.add_u32("tokenizer.ggml.padding_token_id", pad);
    out.add_u32("tokenizer.ggml.cls_token_id", cls);
    out.add_u32("tokenizer.ggml.mask_token_id", mask);
}

std::string to_halves(std::string_view floats) {
    std::string halves(floats.size() / 2, '\0');
    for (std::size_t i = 0; i < floats.size() / sizeof(float); ++i) {
        float value = 0;
        std::memcpy(&value, floats.data() + i * sizeof(float), sizeof(float));
        const std::uint16_t half = to_half(value);
        std::memcpy(halves.data() + i * sizeof(half), &half, sizeof(half));
    }
    return halves;
}

}  // namespace

std::uint16_t to_half(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);   // NaN
    if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // rounds to 65,520 or more
    if (magnitude < 0x38800000u) {
        // Subnormal: adding 0.5 puts the unit of the half's last place, 2⁻²⁴, at the float's last place, rounding to
        // even.
        const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
        return static_cast<std::uint16_t>(sign |
                                          (std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5f)));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

Result<GgufWriter::Written> convert_bert(Fs& fs, const BertFiles& source, const Path& target,
                                         const std::function<void(std::uint64_t)>& on_bytes) {
    TRY_ASSIGN(const BertSizes sizes, read_config(fs, source.config));
    TRY_ASSIGN(const Words words, read_words(fs, source.vocabulary, sizes));
    TRY_ASSIGN(const Safetensors weights, Safetensors::open(fs, source.weights));

    GgufWriter out;
    add_metadata(out, sizes, words, source.name);
    const auto add = [&](std::string from, std::string_view to, std::vector<std::uint64_t> dimensions,
                         TensorType type) {
        std::uint64_t values = 1;
        for (const std::uint64_t dimension : dimensions) values *= dimension;
        out.add_tensor(to, std::move(dimensions), type,
                       [&weights, from = std::move(from), values, type]() -> Result<std::string> {
                           TRY_ASSIGN(std::string floats, weights.read(from, values));
                           return type == TensorType::kF16 ? to_halves(floats) : floats;
                       });
    };
    const std::uint64_t hidden = sizes.hidden;
    add("embeddings.word_embeddings.weight", "token_embd.weight", {hidden, sizes.vocabulary}, TensorType::kF16);
    add("embeddings.position_embeddings.weight", "position_embd.weight", {hidden, sizes.positions}, TensorType::kF32);
    add("embeddings.token_type_embeddings.weight", "token_types.weight", {hidden, sizes.types}, TensorType::kF32);
    add("embeddings.LayerNorm.weight", "token_embd_norm.weight", {hidden}, TensorType::kF32);
    add("embeddings.LayerNorm.bias", "token_embd_norm.bias", {hidden}, TensorType::kF32);
    for (std::uint32_t layer = 0; layer < sizes.layers; ++layer) {
        const auto part = [&](std::string_view a, std::string_view b, std::uint64_t in, std::uint64_t rows) {
            const std::string from = fmt::format("encoder.layer.{}.{}", layer, a);
            const std::string to = fmt::format("blk.{}.{}", layer, b);
            if (in == 0) {
                add(from + ".weight", to + ".weight", {rows}, TensorType::kF32);
            } else {
                add(from + ".weight", to + ".weight", {in, rows}, TensorType::kF16);
            }
            add(from + ".bias", to + ".bias", {rows}, TensorType::kF32);
        };
        part("attention.self.query", "attn_q", hidden, hidden);
        part("attention.self.key", "attn_k", hidden, hidden);
        part("attention.self.value", "attn_v", hidden, hidden);
        part("attention.output.dense", "attn_output", hidden, hidden);
        part("attention.output.LayerNorm", "attn_output_norm", 0, hidden);
        part("intermediate.dense", "ffn_up", hidden, sizes.feed_forward);
        part("output.dense", "ffn_down", sizes.feed_forward, hidden);
        part("output.LayerNorm", "layer_output_norm", 0, hidden);
    }
    return out.write(fs, target, on_bytes);
}

}  // namespace atrium::model
