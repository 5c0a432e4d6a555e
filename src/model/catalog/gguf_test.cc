#include <gmock/gmock.h>

#include <functional>

#include "model/catalog/gguf_reader.h"
#include "model/catalog/gguf_writer.h"
#include "model/catalog/internal/test_support.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

using ::testing::HasSubstr;
using testing::small_gguf;
using testing::TempDir;

template <class T>
std::string le(T value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string str(std::string_view text) {
    return le<std::uint64_t>(text.size()) + std::string(text);
}
constexpr std::uint32_t kU32 = 4, kF32 = 6, kStr = 8, kArr = 9;

std::string entry(std::string_view key, std::uint32_t type, std::string_view value) {
    return str(key) + le(type) + std::string(value);
}
std::string array(std::string_view key, std::uint32_t element, std::uint64_t count, std::string_view bytes) {
    return entry(key, kArr, le(element) + le(count) + std::string(bytes));
}
std::string tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type,
                   std::uint64_t offset) {
    std::string out = str(name) + le(static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t dimension : dimensions) out += le(dimension);
    return out + le(type) + le(offset);
}
/// A file by hand: header, metadata, directory, then `data` bytes after the padding.
std::string file(const std::vector<std::string>& entries, const std::vector<std::string>& tensors,
                 std::size_t data = 0) {
    std::string out =
        "GGUF" + le(std::uint32_t{3}) + le<std::uint64_t>(tensors.size()) + le<std::uint64_t>(entries.size());
    for (const auto& bytes : entries) out += bytes;
    for (const auto& bytes : tensors) out += bytes;
    out.append((32 - out.size() % 32) % 32, '\0');
    return out + std::string(data, 'd');
}
const std::string kArchitecture = entry("general.architecture", kStr, str("llama"));

Result<GgufHeader> check(const std::string& bytes) {
    TRY_ASSIGN(GgufHeader header, parse_gguf(bytes, bytes.size()));
    TRY(check_gguf_metadata(header));
    return header;
}
std::string problem(const std::string& bytes) {
    const auto header = check(bytes);
    if (header) return "accepted";
    EXPECT_EQ(header.error().code(), Code::kInvalidArgument) << header.error().to_string();
    return header.error().message();
}

TEST(Gguf, ReadsWhatWasWritten) {
    TempDir dir;
    const std::string bytes = small_gguf(dir.path().string());
    const auto header = check(bytes);
    ASSERT_TRUE(header) << header.error().to_string();
    EXPECT_EQ(header->version, 3u);
    EXPECT_EQ(header->string("general.name"), "tiny");
    EXPECT_EQ(header->arch_number("context_length"), 2048u);
    EXPECT_NEAR(header->find("llama.attention.layer_norm_rms_epsilon")->as_number().value(), 1e-6, 1e-9);
    EXPECT_EQ(header->find("tokenizer.ggml.add_bos_token")->as_bool(), true);
    EXPECT_THAT(header->find("tokenizer.ggml.tokens")->as_strings(), ::testing::ElementsAre("<s>", "</s>", "a", "b"));
    EXPECT_EQ(header->find("tokenizer.ggml.tokens")->as_unsigned(), std::nullopt);
    EXPECT_EQ(header->find("absent"), nullptr);
    ASSERT_EQ(header->tensors.size(), 2u);
    EXPECT_EQ(header->tensors[0].bytes, 144u);
    EXPECT_EQ(header->tensors[1].offset, 160u);  // padded to 32
    EXPECT_EQ(bytes.size(), header->data_offset + 160 + 256);
}

TEST(Gguf, WriterReportsSizeAndDigest) {
    TempDir dir;
    GgufWriter writer;
    writer.add_string("general.architecture", "bert");
    std::uint64_t heard = 0;
    const auto written = writer.write(machine_fs(), dir / "x.gguf", [&](std::uint64_t bytes) { heard = bytes; });
    ASSERT_TRUE(written);
    const std::string bytes = testing::read(dir / "x.gguf");
    EXPECT_EQ(written->bytes, bytes.size());
    EXPECT_EQ(heard, bytes.size());
    EXPECT_EQ(written->sha256, crypto::sha256_hex(bytes));
}

TEST(Gguf, WriterRefusesTensorOfWrongSize) {
    TempDir dir;
    GgufWriter writer;
    writer.add_tensor("t", {32}, TensorType::kF32, [] { return Result<std::string>("short"); });
    const auto written = writer.write(machine_fs(), dir / "x.gguf");
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().message(), HasSubstr("'t'"));
}

TEST(Gguf, TruncatedAtEveryByteIsRefused) {
    TempDir dir;
    const std::string bytes = small_gguf(dir.path().string());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const auto header = parse_gguf(std::string_view(bytes).substr(0, length), length);
        ASSERT_FALSE(header) << length;
        ASSERT_EQ(header.error().code(), Code::kInvalidArgument) << length << ": " << header.error().to_string();
    }
}

TEST(Gguf, ShortPrefixOfAGoodFileAsksForMore) {
    TempDir dir;
    const std::string bytes = small_gguf(dir.path().string());
    const auto data_offset = parse_gguf(bytes, bytes.size())->data_offset;
    for (std::size_t length = 0; length < data_offset - 32; ++length) {
        const auto header = parse_gguf(std::string_view(bytes).substr(0, length), bytes.size());
        ASSERT_FALSE(header) << length;
        ASSERT_EQ(header.error().code(), Code::kOutOfRange) << length;
    }
    EXPECT_TRUE(parse_gguf(std::string_view(bytes).substr(0, data_offset), bytes.size()));
}

TEST(Gguf, EveryFlippedByteIsSurvived) {
    TempDir dir;
    const std::string good = small_gguf(dir.path().string());
    int accepted = 0;
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const unsigned char mask : {0x01, 0x80, 0xff}) {
            std::string bytes = good;
            bytes[i] = static_cast<char>(bytes[i] ^ mask);
            accepted += check(bytes).has_value();  // weights and names may change; what matters is that nothing breaks
        }
    }
    EXPECT_GT(accepted, 0);
}

TEST(Gguf, NamesTheDefectInTheFixedHeader) {
    EXPECT_THAT(problem(""), HasSubstr("truncated: the magic number"));
    EXPECT_THAT(problem("GGML" + std::string(60, '\0')), HasSubstr("not a GGUF file"));
    EXPECT_THAT(problem("<!DOCTYPE html><html>an error page of a proxy</html>"), HasSubstr("not a GGUF file"));
    const auto version = [](std::uint32_t number) { return "GGUF" + le(number) + std::string(64, '\0'); };
    EXPECT_THAT(problem(version(0)), HasSubstr("version 0"));
    EXPECT_THAT(problem(version(1)), HasSubstr("version 1"));
    EXPECT_THAT(problem(version(4)), HasSubstr("version 4"));
    EXPECT_THAT(problem(version(0x03000000)), HasSubstr("big-endian"));
    const auto counts = [](std::uint64_t tensors, std::uint64_t entries) {
        return "GGUF" + le(std::uint32_t{3}) + le(tensors) + le(entries) + std::string(4096, '\0');
    };
    EXPECT_THAT(problem(counts(~0ull, 0)), HasSubstr("tensors"));
    EXPECT_THAT(problem(counts(1ull << 63, 1)), HasSubstr("tensors"));
    EXPECT_THAT(problem(counts(0, ~0ull)), HasSubstr("metadata entries"));
    EXPECT_THAT(problem(counts(0, 100'000)), HasSubstr("metadata entries"));
}

TEST(Gguf, NamesTheDefectInMetadata) {
    EXPECT_THAT(problem(file({}, {})), HasSubstr("general.architecture is missing"));
    EXPECT_THAT(problem(file({entry("", kU32, le(1u))}, {})), HasSubstr("key of 0 bytes"));
    EXPECT_THAT(problem(file({entry(std::string("a\0b", 3), kU32, le(1u))}, {})), HasSubstr("not text"));
    EXPECT_THAT(problem(file({entry("\xff\xfe", kU32, le(1u))}, {})), HasSubstr("not text"));
    EXPECT_THAT(problem(file({entry("k", 13, le(1u))}, {})), HasSubstr("'k' has the unknown type 13"));
    EXPECT_THAT(problem(file({kArchitecture, kArchitecture}, {})), HasSubstr("'general.architecture' appears twice"));
    EXPECT_THAT(problem(file({str("k") + le(kStr) + le(~0ull)}, {}, 64)), HasSubstr("the value of 'k'"));
    EXPECT_THAT(problem(file({le(~0ull)}, {}, 64)), HasSubstr("metadata entry 0"));
    EXPECT_THAT(problem(file({array("k", kU32, ~0ull, "")}, {}, 64)),
                HasSubstr("claims 18446744073709551615 elements"));
    EXPECT_THAT(problem(file({array("k", kStr, 1ull << 61, "")}, {}, 64)), HasSubstr("elements"));
    EXPECT_THAT(problem(file({array("k", kArr, 1, "")}, {}, 64)), HasSubstr("holds arrays"));
    EXPECT_THAT(problem(file({array("k", 77, 1, "")}, {}, 64)), HasSubstr("unknown element type 77"));
    EXPECT_THAT(problem(file({array("k", kStr, 2, str("a") + le(~0ull))}, {}, 64)), HasSubstr("the array 'k'"));
    for (const std::uint32_t alignment : {0u, 1u, 4u, 33u, 1u << 30}) {
        EXPECT_THAT(problem(file({kArchitecture, entry("general.alignment", kU32, le(alignment))}, {})),
                    HasSubstr("power of two"));
    }
    EXPECT_THAT(problem(file({kArchitecture, entry("general.alignment", kF32, le(32.0f))}, {})),
                HasSubstr("must be uint32"));
    EXPECT_EQ(problem(file({kArchitecture, entry("general.alignment", kU32, le(64u))}, {}, 64)), "accepted");
}

TEST(Gguf, NamesTheDefectInTensors) {
    const auto one = [](const std::string& bytes, std::size_t data = 4096) {
        return problem(file({kArchitecture}, {bytes}, data));
    };
    EXPECT_EQ(one(tensor("t", {32, 4}, 0, 0), 512), "accepted");
    EXPECT_THAT(one(tensor("t", {32, 4}, 0, 0), 511), HasSubstr("truncated: tensor 't' needs 512 bytes"));
    EXPECT_THAT(one(tensor("", {32}, 0, 0)), HasSubstr("a name of 0 bytes"));
    EXPECT_THAT(one(tensor(std::string(64, 'n'), {32}, 0, 0)), HasSubstr("a name of 64 bytes"));
    EXPECT_THAT(one(tensor("t", {}, 0, 0)), HasSubstr("0 dimensions"));
    EXPECT_THAT(one(tensor("t", {1, 1, 1, 1, 1}, 0, 0)), HasSubstr("5 dimensions"));
    EXPECT_THAT(one(tensor("t", {0}, 0, 0)), HasSubstr("impossible shape"));
    EXPECT_THAT(one(tensor("t", {1ull << 32, 1ull << 32}, 0, 0)), HasSubstr("impossible shape"));
    EXPECT_THAT(one(tensor("t", {1ull << 62, 1}, 0, 0)), HasSubstr("impossible shape"));
    EXPECT_THAT(one(tensor("t", {~0ull}, 0, 0)), HasSubstr("impossible shape"));
    EXPECT_THAT(one(tensor("t", {32}, 4, 0)), HasSubstr("unknown type 4"));
    EXPECT_THAT(one(tensor("t", {32}, 43, 0)), HasSubstr("unknown type 43"));
    EXPECT_THAT(one(tensor("t", {32}, ~0u, 0)), HasSubstr("unknown type"));
    EXPECT_THAT(one(tensor("t", {33}, 2, 0)), HasSubstr("not a multiple of 32"));
    EXPECT_THAT(one(tensor("t", {32}, 0, 32)), HasSubstr("lies at offset 32"));
    EXPECT_THAT(one(tensor("t", {32}, 0, ~0ull)), HasSubstr("lies at offset"));
    EXPECT_THAT(problem(file({kArchitecture}, {tensor("t", {32}, 0, 0), tensor("t", {32}, 0, 128)}, 512)),
                HasSubstr("'t' appears twice"));
    EXPECT_THAT(problem(file({kArchitecture}, {tensor("a", {32}, 0, 0), tensor("b", {32}, 0, 64)}, 512)),
                HasSubstr("the one before it ends at 128"));
}

TEST(Gguf, NamesTheDefectInTheTokenizer) {
    const std::string tokens = array("tokenizer.ggml.tokens", kStr, 2, str("a") + str("b"));
    const auto with = [&](const std::string& more) { return problem(file({kArchitecture, tokens, more}, {})); };
    EXPECT_EQ(with(array("tokenizer.ggml.scores", kF32, 2, le(0.f) + le(0.f))), "accepted");
    EXPECT_THAT(with(array("tokenizer.ggml.scores", kF32, 1, le(0.f))), HasSubstr("1 elements for 2 tokens"));
    EXPECT_THAT(with(array("tokenizer.ggml.scores", 0, 2, "ab")), HasSubstr("array of uint8"));
    EXPECT_THAT(with(array("tokenizer.ggml.token_type", 5, 3, le(1) + le(1) + le(1))),
                HasSubstr("3 elements for 2 tokens"));
    EXPECT_THAT(with(array("tokenizer.ggml.merges", kU32, 1, le(1u))), HasSubstr("merges"));
    EXPECT_THAT(with(entry("tokenizer.ggml.bos_token_id", kU32, le(2u))), HasSubstr("bos_token_id is 2"));
    EXPECT_THAT(with(entry("tokenizer.ggml.eos_token_id", kStr, str("x"))), HasSubstr("not a token number"));
    EXPECT_EQ(with(entry("tokenizer.ggml.eos_token_id", kU32, le(0xffffffffu))), "accepted");
    EXPECT_THAT(problem(file({kArchitecture, entry("tokenizer.ggml.tokens", kU32, le(1u))}, {})),
                HasSubstr("must be an array"));
    EXPECT_THAT(problem(file({kArchitecture, entry("llama.block_count", kU32, le(0u))}, {})),
                HasSubstr("llama.block_count"));
    EXPECT_THAT(problem(file({kArchitecture, entry("llama.block_count", kStr, str("12"))}, {})),
                HasSubstr("llama.block_count"));
    const auto charsmap = [&](const std::string& bytes) {
        return with(array("tokenizer.ggml.precompiled_charsmap", 0, bytes.size(), bytes));
    };
    EXPECT_EQ(charsmap(le(4u) + le(7u) + std::string("x\0", 2)), "accepted");
    EXPECT_THAT(charsmap("abc"), HasSubstr("damaged"));
    EXPECT_THAT(charsmap(le(400u) + le(7u) + std::string("x\0", 2)),
                HasSubstr("damaged"));                                    // the table would end outside
    EXPECT_THAT(charsmap(le(4u) + le(7u) + "xy"), HasSubstr("damaged"));  // no final NUL
}

TEST(Gguf, MessagesShowNamesHarmlessly) {
    const std::string message =
        problem(file({kArchitecture}, {tensor("a\x1b[31m\n" + std::string(40, 'x'), {32}, 99, 0)}, 128));
    EXPECT_THAT(message, HasSubstr("a?[31m?"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(Gguf, ValidatesFilesAndNamesThem) {
    TempDir dir;
    small_gguf(dir.path().string());
    EXPECT_TRUE(validate_gguf(machine_fs(), dir / "small.gguf"));
    testing::write(dir / "empty.gguf", "");
    const auto empty = validate_gguf(machine_fs(), dir / "empty.gguf");
    ASSERT_FALSE(empty);
    EXPECT_THAT(empty.error().message(), HasSubstr("empty.gguf: truncated"));
    EXPECT_EQ(validate_gguf(machine_fs(), dir / "absent.gguf").error().code(), Code::kNotFound);
}

TEST(Gguf, ReadsHeadersLargerThanTheFirstPiece) {
    TempDir dir;
    GgufWriter writer;
    writer.add_string("general.architecture", "llama");
    writer.add_strings("tokenizer.ggml.tokens", std::vector<std::string>(300'000, "a token of some length"));
    ASSERT_TRUE(writer.write(machine_fs(), dir / "large.gguf"));
    const auto header = validate_gguf(machine_fs(), dir / "large.gguf");
    ASSERT_TRUE(header) << header.error().to_string();
    EXPECT_EQ(header->find("tokenizer.ggml.tokens")->count, 300'000u);
}

TEST(Gguf, LayoutTableKnowsEveryTypeOfGgml) {
    int known = 0;
    for (std::uint32_t type = 0; type < 64; ++type) known += tensor_layout(type).has_value();
    EXPECT_EQ(known, 35);
    EXPECT_EQ(tensor_layout(12)->bytes, 144u);
    EXPECT_EQ(tensor_layout(12)->name, "Q4_K");
}

}  // namespace
}  // namespace atrium::model
