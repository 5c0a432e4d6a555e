#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

/// The GGUF container, versions 2 and 3 (little-endian), as ggml reads it: magic "GGUF", version u32, tensor count u64,
/// metadata count u64, metadata (key, type, value), tensor directory (name, dimensions, type, offset), padding to
/// `general.alignment`, tensor data. Strings are a u64 length and bytes.
namespace atrium::model {

enum class GgufType : std::uint32_t {
    kUint8 = 0,
    kInt8 = 1,
    kUint16 = 2,
    kInt16 = 3,
    kUint32 = 4,
    kInt32 = 5,
    kFloat32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9,
    kUint64 = 10,
    kInt64 = 11,
    kFloat64 = 12,
};
std::string_view gguf_type_name(GgufType type);
/// Bytes of one value; 0 for strings, arrays and unknown types.
std::size_t gguf_type_bytes(GgufType type);

/// The tensor types Atrium writes itself; ggml knows more (see tensor_layout).
enum class TensorType : std::uint32_t { kF32 = 0, kF16 = 1, kQ4_0 = 2 };

/// How a row of a tensor type is stored: blocks of `weights` values in `bytes` bytes.
struct TensorLayout {
    std::string_view name;
    std::uint32_t weights = 0;
    std::uint32_t bytes = 0;
};
/// Nothing for numbers that ggml never assigned or has withdrawn.
std::optional<TensorLayout> tensor_layout(std::uint32_t type);

inline constexpr std::uint64_t kGgufDefaultAlignment = 32;
inline constexpr std::size_t kGgufMaxDimensions = 4;
inline constexpr std::size_t kGgufMaxTensorName = 63;

}  // namespace atrium::model
