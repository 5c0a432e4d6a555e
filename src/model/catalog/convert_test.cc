#include "model/catalog/convert.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "model/catalog/gguf_reader.h"
#include "model/catalog/internal/charsmap.h"
#include "model/catalog/internal/test_support.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

template <class T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// A two-layer model in the package's format, small enough for a test. `drop` leaves one tensor out.
std::string tiny_e5(std::string_view drop = {}) {
    const std::vector<std::string> pieces = {"<s>", "<pad>", "</s>", "<unk>", "\u2581a", "b", "<mask>"};
    std::string out = "E5S1";
    for (const std::int32_t value : {1, 32, 2, 4, 64, 9, 8, 2}) put(out, value);
    put(out, 1e-12f);
    for (const std::int32_t value : {32, 7, 0, 2, 1, 3}) put(out, value);
    std::string text;
    std::vector<std::uint32_t> offsets = {0};
    for (const auto& piece : pieces) {
        text += piece;
        offsets.push_back(static_cast<std::uint32_t>(text.size()));
    }
    put(out, static_cast<std::uint64_t>(text.size()));
    for (const auto offset : offsets) put(out, offset);
    for (std::size_t i = 0; i < pieces.size(); ++i) put(out, -static_cast<float>(i));
    out += text;
    put(out, std::int32_t{1});  // normaliser: one mapping of 9 bytes
    put(out, std::uint32_t{9});
    out += std::string(9, '\0');

    struct Tensor {
        std::string name;
        std::uint8_t type;
        std::uint32_t values;
    };
    std::vector<Tensor> tensors = {{"emb.word", 1, 9 * 32},
                                   {"emb.pos", 0, 8 * 32},
                                   {"emb.type", 0, 2 * 32},
                                   {"emb.ln.w", 0, 32},
                                   {"emb.ln.b", 0, 32}};
    for (int layer = 0; layer < 2; ++layer) {
        const std::string l = "l" + std::to_string(layer) + ".";
        for (const char* name : {"q", "k", "v", "ao"}) {
            tensors.push_back({l + name + ".w", 1, 32 * 32});
            tensors.push_back({l + name + ".b", 0, 32});
        }
        for (const char* name : {"aln.w", "aln.b", "oln.w", "oln.b", "fo.b"}) tensors.push_back({l + name, 0, 32});
        tensors.push_back({l + "fi.w", 1, 32 * 64});
        tensors.push_back({l + "fi.b", 0, 64});
        tensors.push_back({l + "fo.w", 1, 32 * 64});
    }
    std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == drop; });
    std::size_t directory = 4;
    for (const Tensor& tensor : tensors) directory += 2 + tensor.name.size() + 1 + 4 + 8 + 8;
    std::uint64_t offset = out.size() + directory;
    std::string data;
    put(out, static_cast<std::int32_t>(tensors.size()));
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::uint64_t bytes = tensors[i].type == 1 ? tensors[i].values / 32 * 18 : tensors[i].values * 4;
        put(out, static_cast<std::uint16_t>(tensors[i].name.size()));
        out += tensors[i].name;
        put(out, tensors[i].type);
        put(out, tensors[i].values);
        put(out, offset + data.size());
        put(out, bytes);
        data += std::string(bytes, static_cast<char>('A' + i % 26));
    }
    return out + data;
}

TEST(ConvertE5, CopiesBlocksUnderGgufNames) {
    TempDir dir;
    testing::write(dir / "model.bin", tiny_e5());
    const auto written = convert_e5(machine_fs(), dir / "model.bin", dir / "model.gguf");
    ASSERT_TRUE(written) << written.error().to_string();
    const auto header = validate_gguf(machine_fs(), dir / "model.gguf");
    ASSERT_TRUE(header) << header.error().to_string();
    EXPECT_EQ(header->string("general.architecture"), "bert");
    EXPECT_EQ(header->arch_number("context_length"), 8u);
    EXPECT_EQ(header->arch_number("pooling_type"), 1u);
    EXPECT_EQ(header->string("tokenizer.ggml.model"), "t5");
    EXPECT_THAT(header->find("tokenizer.ggml.tokens")->as_strings(),
                ::testing::ElementsAre("<s>", "<pad>", "</s>", "<unk>", "\u2581a", "b", "<mask>"));
    EXPECT_EQ(header->number("tokenizer.ggml.eos_token_id"), 2u);
    EXPECT_EQ(header->tensors.size(), 5u + 2 * 16);
    // The word matrix keeps one row per piece, though the file has two rows more.
    EXPECT_EQ(header->tensors[0].name, "token_embd.weight");
    EXPECT_THAT(header->tensors[0].dimensions, ::testing::ElementsAre(32, 7));
    const std::string bytes = testing::read(dir / "model.gguf");
    EXPECT_EQ(bytes.substr(header->data_offset, 7 * 18), std::string(7 * 18, 'A'));
}

TEST(ConvertE5, RefusesDamage) {
    TempDir dir;
    const std::string good = tiny_e5();
    const auto attempt = [&](const std::string& bytes) {
        testing::write(dir / "model.bin", bytes);
        const auto written = convert_e5(machine_fs(), dir / "model.bin", dir / "model.gguf");
        return written ? std::string("accepted") : written.error().message();
    };
    EXPECT_THAT(attempt("nothing like it"), HasSubstr("E5S1"));
    EXPECT_THAT(attempt(tiny_e5("l1.fo.w")), HasSubstr("'l1.fo.w' is missing"));
    std::string huge = good;
    huge[8] = '\x7f';
    huge[9] = '\x7f';
    EXPECT_THAT(attempt(huge), HasSubstr("sizes"));
    for (std::size_t length = 0; length < good.size(); length += 37) {
        ASSERT_NE(attempt(good.substr(0, length)), "accepted") << length;
    }
}

TEST(ConvertE5, CarriesTheNormaliserOfTheRealTokenizer) {
    EXPECT_EQ(crypto::sha256_hex(xlm_roberta_charsmap()),
              "0942789e0111452f1cc446f70036e26d24458c3c7858c53cc12ca4d87531279b");
}

std::string safetensors(const std::vector<std::pair<std::string, std::vector<float>>>& tensors) {
    std::string header = "{", data;
    for (const auto& [name, values] : tensors) {
        if (header.size() > 1) header += ",";
        header += "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + std::to_string(values.size()) +
                  "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
                  std::to_string(data.size() + values.size() * 4) + "]}";
        data.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
    }
    header += "}";
    std::string out;
    put(out, static_cast<std::uint64_t>(header.size()));
    return out + header + data;
}

class ConvertBert : public ::testing::Test {
protected:
    void SetUp() override {
        testing::write(dir_ / "config.json",
                       R"({"num_hidden_layers":1,"max_position_embeddings":16,"hidden_size":32,"intermediate_size":64,
            "num_attention_heads":4,"type_vocab_size":2,"vocab_size":7,"layer_norm_eps":1e-12})");
        testing::write(dir_ / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nword\n##s\n");
        const auto zeros = [](std::size_t count) { return std::vector<float>(count, 0.5f); };
        tensors_ = {{"embeddings.word_embeddings.weight", zeros(7 * 32)},
                    {"embeddings.position_embeddings.weight", zeros(16 * 32)},
                    {"embeddings.token_type_embeddings.weight", zeros(2 * 32)},
                    {"embeddings.LayerNorm.weight", zeros(32)},
                    {"embeddings.LayerNorm.bias", zeros(32)}};
        for (const char* name :
             {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}) {
            tensors_.push_back({"encoder.layer.0." + std::string(name) + ".weight", zeros(32 * 32)});
            tensors_.push_back({"encoder.layer.0." + std::string(name) + ".bias", zeros(32)});
        }
        for (const char* name : {"attention.output.LayerNorm", "output.LayerNorm"}) {
            tensors_.push_back({"encoder.layer.0." + std::string(name) + ".weight", zeros(32)});
            tensors_.push_back({"encoder.layer.0." + std::string(name) + ".bias", zeros(32)});
        }
        tensors_.push_back({"encoder.layer.0.intermediate.dense.weight", zeros(32 * 64)});
        tensors_.push_back({"encoder.layer.0.intermediate.dense.bias", zeros(64)});
        tensors_.push_back({"encoder.layer.0.output.dense.weight", zeros(32 * 64)});
        tensors_.push_back({"encoder.layer.0.output.dense.bias", zeros(32)});
    }
    std::string attempt() {
        testing::write(dir_ / "model.safetensors", safetensors(tensors_));
        const auto written =
            convert_bert(machine_fs(), {dir_ / "config.json", dir_ / "vocab.txt", dir_ / "model.safetensors", "tiny"},
                         dir_ / "out.gguf");
        return written ? "accepted" : written.error().message();
    }
    TempDir dir_;
    std::vector<std::pair<std::string, std::vector<float>>> tensors_;
};

TEST_F(ConvertBert, WritesHalvesAndWordPieces) {
    ASSERT_EQ(attempt(), "accepted");
    const auto header = validate_gguf(machine_fs(), dir_ / "out.gguf");
    ASSERT_TRUE(header) << header.error().to_string();
    EXPECT_THAT(header->find("tokenizer.ggml.tokens")->as_strings(),
                ::testing::ElementsAre("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581word", "s"));
    EXPECT_EQ(header->number("tokenizer.ggml.bos_token_id"), 2u);
    EXPECT_EQ(header->tensors[0].type, 1u);  // matrix: F16
    EXPECT_EQ(header->tensors[1].type, 0u);  // positions: F32
    const std::string bytes = testing::read(dir_ / "out.gguf");
    EXPECT_EQ(bytes.substr(header->data_offset, 4), std::string("\x00\x38\x00\x38", 4));  // 0.5 twice
}

TEST_F(ConvertBert, NamesWhatDoesNotFit) {
    auto removed = tensors_.back();
    tensors_.pop_back();
    EXPECT_THAT(attempt(), HasSubstr("'encoder.layer.0.output.dense.bias' is missing"));
    removed.second.pop_back();
    tensors_.push_back(removed);
    EXPECT_THAT(attempt(), HasSubstr("32 values"));
    testing::write(dir_ / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nword\n");
    EXPECT_THAT(attempt(), HasSubstr("[MASK]"));
    testing::write(dir_ / "config.json", R"({"num_hidden_layers":0})");
    EXPECT_THAT(attempt(), HasSubstr("num_hidden_layers"));
}

TEST(ToHalf, RoundsLikeIeee) {
    EXPECT_EQ(to_half(0.0f), 0x0000);
    EXPECT_EQ(to_half(-0.0f), 0x8000);
    EXPECT_EQ(to_half(1.0f), 0x3c00);
    EXPECT_EQ(to_half(-2.5f), 0xc100);
    EXPECT_EQ(to_half(65504.0f), 0x7bff);
    EXPECT_EQ(to_half(65519.0f), 0x7bff);
    EXPECT_EQ(to_half(65520.0f), 0x7c00);
    EXPECT_EQ(to_half(std::numeric_limits<float>::infinity()), 0x7c00);
    EXPECT_EQ(to_half(std::nanf("")) & 0x7e00, 0x7e00);
    EXPECT_EQ(to_half(1.0f + 1.0f / 2048), 0x3c00);       // tie to even: down
    EXPECT_EQ(to_half(1.0f + 3.0f / 2048), 0x3c02);       // tie to even: up
    EXPECT_EQ(to_half(6.103515625e-05f), 0x0400);         // smallest normal
    EXPECT_EQ(to_half(5.9604644775390625e-08f), 0x0001);  // smallest subnormal
    EXPECT_EQ(to_half(2.9802322387695312e-08f), 0x0000);  // half of it: tie to even
    EXPECT_EQ(to_half(1e-10f), 0x0000);
}

}  // namespace
}  // namespace atrium::model
