#include "data/vector/internal/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace atrium::data::internal {
namespace {

float dot_f32_portable(const float* a, const float* b, std::size_t length) {
    constexpr std::size_t kSums = 16;  // independent sums, which the compiler may keep in vector registers
    float sums[kSums] = {};
    for (std::size_t i = 0; i < length; i += kSums) {
        for (std::size_t j = 0; j < kSums; ++j) sums[j] += a[i + j] * b[i + j];
    }
    float total = 0;
    for (const float sum : sums) total += sum;
    return total;
}

void dot_i8_portable(const std::int8_t* query, const std::int8_t* matrix, const std::int32_t*, std::size_t rows,
                     std::size_t length, std::int32_t* out) {
    for (std::size_t r = 0; r < rows; ++r, matrix += length) {
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < length; ++i) sum += std::int32_t{query[i]} * std::int32_t{matrix[i]};
        out[r] = sum;
    }
}

constexpr Kernels kPortable{"portable", dot_f32_portable, dot_i8_portable};

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float dot_f32_avx2(const float* a, const float* b, std::size_t length) {
    __m256 s0 = _mm256_setzero_ps();
    __m256 s1 = _mm256_setzero_ps();
    __m256 s2 = _mm256_setzero_ps();
    __m256 s3 = _mm256_setzero_ps();
    for (std::size_t i = 0; i < length; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    const __m256 sum = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

// Sign-extended to 16 bits: the 8-bit multiply-add of AVX2 saturates.
__attribute__((target("avx2,fma"))) void dot_i8_avx2(const std::int8_t* query, const std::int8_t* matrix,
                                                     const std::int32_t*, std::size_t rows, std::size_t length,
                                                     std::int32_t* out) {
    for (std::size_t r = 0; r < rows; ++r, matrix += length) {
        __m256i s0 = _mm256_setzero_si256();
        __m256i s1 = _mm256_setzero_si256();
        for (std::size_t i = 0; i < length; i += 32) {
            const auto load = [](const std::int8_t* p) __attribute__((target("avx2,fma"), always_inline)) {
                return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
            };
            s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(load(query + i), load(matrix + i)));
            s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(load(query + i + 16), load(matrix + i + 16)));
        }
        const __m256i sum = _mm256_add_epi32(s0, s1);
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
        out[r] = _mm_cvtsi128_si32(half);
    }
}

__attribute__((target("avx512f"))) float dot_f32_avx512(const float* a, const float* b, std::size_t length) {
    __m512 s0 = _mm512_setzero_ps();
    __m512 s1 = _mm512_setzero_ps();
    __m512 s2 = _mm512_setzero_ps();
    __m512 s3 = _mm512_setzero_ps();
    for (std::size_t i = 0; i < length; i += 64) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
        s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
        s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

// VNNI multiplies unsigned by signed: the query is shifted by 128 and 128 · Σ row taken off again.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void dot_i8_avx512vnni(
    const std::int8_t* query, const std::int8_t* matrix, const std::int32_t* sums, std::size_t rows, std::size_t length,
    std::int32_t* out) {
    const __m512i shift = _mm512_set1_epi8(static_cast<char>(0x80));
    for (std::size_t r = 0; r < rows; ++r, matrix += length) {
        __m512i s = _mm512_setzero_si512();
        for (std::size_t i = 0; i < length; i += 64) {
            const __m512i q = _mm512_xor_si512(_mm512_loadu_si512(query + i), shift);
            s = _mm512_dpbusd_epi32(s, q, _mm512_loadu_si512(matrix + i));
        }
        out[r] = _mm512_reduce_add_epi32(s) - 128 * sums[r];
    }
}

constexpr Kernels kAvx2{"avx2", dot_f32_avx2, dot_i8_avx2};
constexpr Kernels kAvx512{"avx512vnni", dot_f32_avx512, dot_i8_avx512vnni};

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

#endif

const Kernels& choose() {
#if defined(__x86_64__)
    if (has_avx512()) return kAvx512;
    if (has_avx2()) return kAvx2;
#endif
    return kPortable;
}

}  // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

const Kernels* kernels_named(std::string_view name) {
    if (name == kPortable.name) return &kPortable;
#if defined(__x86_64__)
    if (name == kAvx512.name && has_avx512()) return &kAvx512;
    if (name == kAvx2.name && has_avx2()) return &kAvx2;
#endif
    return nullptr;
}

}  // namespace atrium::data::internal
