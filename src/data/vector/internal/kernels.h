#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Inner products, with the instruction set chosen once at run time. Lengths are multiples of kLanes; rows are
/// 64-byte aligned and padded with zeros. Thread-safe.
namespace atrium::data::internal {

inline constexpr std::size_t kLanes = 64;  ///< int8 values in the widest register; f32 rows are padded alike

struct Kernels {
    std::string_view name;  ///< "avx512vnni", "avx2", "portable"
    float (*dot_f32)(const float* a, const float* b, std::size_t length);
    /// Inner products of `query` with `rows` consecutive int8 rows. `sums[r]` is the sum of row r's values.
    void (*dot_i8)(const std::int8_t* query, const std::int8_t* matrix, const std::int32_t* sums, std::size_t rows,
                   std::size_t length, std::int32_t* out);
};

/// The best set this processor runs.
const Kernels& kernels();
/// The set of that name, or nullptr where the processor (or the architecture) lacks it; for tests.
const Kernels* kernels_named(std::string_view name);

}  // namespace atrium::data::internal
