#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/catalog/gguf_format.h"
#include "platform/fs/fs.h"

namespace atrium::model {

/// Writes a GGUF version 3 file: collect metadata and tensors, then write() once. Tensor bytes are produced one tensor
/// at a time, so a model is never whole in memory. Not thread-safe; blocking.
class GgufWriter {
public:
    void add_string(std::string_view key, std::string_view value);
    void add_u32(std::string_view key, std::uint32_t value);
    void add_f32(std::string_view key, float value);
    void add_bool(std::string_view key, bool value);
    void add_strings(std::string_view key, const std::vector<std::string>& values);
    void add_f32s(std::string_view key, const std::vector<float>& values);
    void add_i32s(std::string_view key, const std::vector<std::int32_t>& values);
    void add_bytes(std::string_view key, std::string_view values);  ///< an array of uint8

    /// `dimensions` innermost first. `produce` is called during write() and must give exactly the bytes of that shape.
    void add_tensor(std::string_view name, std::vector<std::uint64_t> dimensions, TensorType type,
                    std::function<Result<std::string>()> produce);

    struct Written {
        std::uint64_t bytes = 0;
        std::string sha256;
    };
    /// Creates (or truncates) `file` and syncs it. `on_bytes` hears the bytes written so far. On failure the file is
    /// incomplete; the caller removes it.
    Result<Written> write(Fs& fs, const Path& file, const std::function<void(std::uint64_t)>& on_bytes = {});

private:
    struct Tensor {
        std::string name;
        std::vector<std::uint64_t> dimensions;
        TensorType type;
        std::uint64_t bytes;
        std::function<Result<std::string>()> produce;
    };
    void add_key(std::string_view key, GgufType type);
    void add_array(std::string_view key, GgufType element, std::uint64_t count);
    std::string header() const;

    std::string metadata_;
    std::uint64_t entries_ = 0;
    std::vector<Tensor> tensors_;
};

}  // namespace atrium::model
