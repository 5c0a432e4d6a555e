#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "model/catalog/gguf_writer.h"
#include "platform/fs/fs.h"

/// Shared by the tests of this folder.
namespace atrium::model::testing {

class TempDir {
public:
    TempDir() {
        std::string pattern = (std::filesystem::temp_directory_path() / "atrium-catalog-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() { std::filesystem::remove_all(path_); }
    const Path& path() const { return path_; }
    Path operator/(std::string_view name) const { return path_ / name; }

private:
    Path path_;
};

inline std::string read(const Path& path) {
    return machine_fs().read_file(path, 64 << 20).value();
}
inline void write(const Path& path, std::string_view bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;  // no fsync: hundreds of these in one test
}

/// A complete small model file: tokenizer of four tokens, two tensors.
inline std::string small_gguf(std::string_view directory) {
    GgufWriter writer;
    writer.add_string("general.architecture", "llama");
    writer.add_string("general.name", "tiny");
    writer.add_u32("llama.block_count", 1);
    writer.add_u32("llama.context_length", 2048);
    writer.add_u32("llama.embedding_length", 64);
    writer.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-6f);
    writer.add_bool("tokenizer.ggml.add_bos_token", true);
    writer.add_strings("tokenizer.ggml.tokens", {"<s>", "</s>", "a", "b"});
    writer.add_f32s("tokenizer.ggml.scores", {0, 0, -1, -2});
    writer.add_i32s("tokenizer.ggml.token_type", {3, 3, 1, 1});
    writer.add_u32("tokenizer.ggml.bos_token_id", 0);
    writer.add_u32("tokenizer.ggml.eos_token_id", 1);
    writer.add_tensor("token_embd.weight", {64, 4}, TensorType::kQ4_0,
                      [] { return Result<std::string>(std::string(4 * 2 * 18, 'w')); });
    writer.add_tensor("output_norm.weight", {64}, TensorType::kF32,
                      [] { return Result<std::string>(std::string(64 * 4, '\0')); });
    const Path path = Path(directory) / "small.gguf";
    EXPECT_TRUE(writer.write(machine_fs(), path));
    return read(path);
}

}  // namespace atrium::model::testing
