#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "data/vector/internal/kernels.h"
#include "data/vector/vector_index.h"

namespace atrium::data {
namespace {

using Matrix = std::vector<float>;

/// Unit vectors as embeddings come: clusters in a few latent directions around a common mean.
Matrix embeddings(std::size_t count, std::size_t dimensions, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    constexpr std::size_t kLatent = 24;
    const std::size_t clusters = std::max<std::size_t>(count / 50, 4);
    Matrix map(kLatent * dimensions);
    for (float& value : map) value = normal(random);
    Matrix centres(clusters * kLatent);
    for (float& value : centres) value = normal(random);
    Matrix mean(dimensions);
    for (float& value : mean) value = 3 * normal(random);
    Matrix out(count * dimensions);
    for (std::size_t i = 0; i < count; ++i) {
        const float* centre = &centres[random() % clusters * kLatent];
        float* row = &out[i * dimensions];
        std::copy(mean.begin(), mean.end(), row);
        for (std::size_t l = 0; l < kLatent; ++l) {
            const float weight = centre[l] + 0.3F * normal(random);
            for (std::size_t d = 0; d < dimensions; ++d) row[d] += weight * map[l * dimensions + d];
        }
        float norm = 0;
        for (std::size_t d = 0; d < dimensions; ++d) norm += row[d] * row[d];
        for (std::size_t d = 0; d < dimensions; ++d) row[d] /= std::sqrt(norm);
    }
    return out;
}

std::vector<VectorHit> brute_force(const Matrix& matrix, std::size_t dimensions, std::span<const float> query, std::size_t k,
                                   const KeyFilter& filter = {}) {
    std::vector<VectorHit> all;
    for (std::size_t i = 0; i * dimensions < matrix.size(); ++i) {
        if (filter && !filter(i)) continue;
        double sum = 0;
        for (std::size_t d = 0; d < dimensions; ++d) sum += double{matrix[i * dimensions + d]} * double{query[d]};
        all.push_back({i, static_cast<float>(sum)});
    }
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.score != b.score ? a.score > b.score : a.key < b.key; });
    if (all.size() > k) all.resize(k);
    return all;
}

std::vector<std::uint64_t> numbered(std::size_t count) {
    std::vector<std::uint64_t> keys(count);
    for (std::size_t i = 0; i < count; ++i) keys[i] = i;
    return keys;
}

/// Equal up to the order of rows whose scores differ by f32 rounding only.
void expect_same(const std::vector<VectorHit>& got, const std::vector<VectorHit>& wanted) {
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i].score, wanted[i].score, 2e-6F);
        if (got[i].key == wanted[i].key) continue;
        const bool tie = std::any_of(wanted.begin(), wanted.end(), [&](const VectorHit& hit) {
            return hit.key == got[i].key && std::fabs(hit.score - wanted[i].score) < 2e-6F;
        }) || std::fabs(got[i].score - wanted.back().score) < 2e-6F;
        EXPECT_TRUE(tie) << "rank " << i << ": key " << got[i].key << " instead of " << wanted[i].key;
    }
}

class ExactVectorIndex : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ExactVectorIndex, AgreesWithBruteForceOnEmbeddings) {
    const std::size_t dimensions = GetParam();
    constexpr std::size_t kCount = 3000;
    const Matrix matrix = embeddings(kCount, dimensions, 1);
    auto index = make_exact_vector_index(dimensions);
    ASSERT_TRUE(index->upsert(numbered(kCount), matrix));
    EXPECT_EQ(index->size(), kCount);
    const Matrix queries = embeddings(30, dimensions, 1);
    for (std::size_t q = 0; q < 30; ++q) {
        const std::span query(&queries[q * dimensions], dimensions);
        for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{100}}) {
            expect_same(index->search(query, k).value(), brute_force(matrix, dimensions, query, k));
        }
    }
}

TEST_P(ExactVectorIndex, AppliesTheFilterInsideTheSearch) {
    const std::size_t dimensions = GetParam();
    constexpr std::size_t kCount = 2500;
    const Matrix matrix = embeddings(kCount, dimensions, 2);
    auto index = make_exact_vector_index(dimensions);
    ASSERT_TRUE(index->upsert(numbered(kCount), matrix));
    const std::span query(&matrix[0], dimensions);
    for (const std::uint64_t modulus : {2U, 10U, 100U, 1000U}) {
        const KeyFilter filter = [modulus](std::uint64_t key) { return key % modulus == 1; };
        expect_same(index->search(query, 10, filter).value(), brute_force(matrix, dimensions, query, 10, filter));
    }
    EXPECT_TRUE(index->search(query, 10, [](std::uint64_t) { return false; }).value().empty());
}

INSTANTIATE_TEST_SUITE_P(Dimensions, ExactVectorIndex, ::testing::Values(3, 64, 100, 384, 1024));

TEST(ExactVectorIndexTest, ReplacesAndRemoves) {
    constexpr std::size_t kDimensions = 96;
    constexpr std::size_t kCount = 5000;  // several blocks
    Matrix matrix = embeddings(kCount, kDimensions, 3);
    auto index = make_exact_vector_index(kDimensions);
    ASSERT_TRUE(index->upsert(numbered(kCount), matrix));
    std::mt19937 random(4);
    std::vector<bool> alive(kCount, true);
    const Matrix other = embeddings(kCount, kDimensions, 5);
    for (int round = 0; round < 20; ++round) {
        std::vector<std::uint64_t> gone;
        for (int i = 0; i < 200; ++i) gone.push_back(random() % kCount);
        index->remove(gone);
        for (const auto key : gone) alive[key] = false;
        for (int i = 0; i < 100; ++i) {
            const std::uint64_t key = random() % kCount;
            const std::span row(&other[key * kDimensions], kDimensions);
            ASSERT_TRUE(index->upsert(std::vector{key}, row));
            std::copy(row.begin(), row.end(), &matrix[key * kDimensions]);
            alive[key] = true;
        }
        const KeyFilter is_alive = [&](std::uint64_t key) { return alive[key]; };
        EXPECT_EQ(index->size(), static_cast<std::size_t>(std::count(alive.begin(), alive.end(), true)));
        const std::span query(&other[random() % kCount * kDimensions], kDimensions);
        expect_same(index->search(query, 20).value(), brute_force(matrix, kDimensions, query, 20, is_alive));
    }
    index->remove(numbered(kCount));
    EXPECT_EQ(index->size(), 0U);
    EXPECT_TRUE(index->search(std::span(&matrix[0], kDimensions), 5).value().empty());
}

TEST(ExactVectorIndexTest, RefusesWrongShapesAndNumbers) {
    auto index = make_exact_vector_index(4);
    const Matrix good{1, 0, 0, 0};
    EXPECT_EQ(index->upsert(numbered(2), good).error().code(), Code::kInvalidArgument);
    const Matrix bad{1, 0, std::numeric_limits<float>::quiet_NaN(), 0};
    EXPECT_EQ(index->upsert(numbered(1), bad).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(index->size(), 0U);
    ASSERT_TRUE(index->upsert(numbered(1), good));
    EXPECT_EQ(index->search(std::span(good).first(3), 1).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(index->search(bad, 1).error().code(), Code::kInvalidArgument);
    EXPECT_TRUE(index->search(good, 0).value().empty());
    EXPECT_EQ(index->search(good, 99).value().size(), 1U);
}

TEST(ExactVectorIndexTest, BreaksTiesByKeyAndSurvivesExtremes) {
    auto index = make_exact_vector_index(2);
    const Matrix rows{0, 1, 1, 0, 1, 0, 0, 0, 1e-42F, 1e-42F, 3e38F, 3e38F};
    ASSERT_TRUE(index->upsert(std::vector<std::uint64_t>{9, 7, 5, 3, 2, 1}, rows));
    const auto hits = index->search(Matrix{1, 0}, 3).value();
    ASSERT_EQ(hits.size(), 3U);
    EXPECT_EQ(hits[0].key, 1U);
    EXPECT_EQ(hits[1].key, 5U);
    EXPECT_EQ(hits[2].key, 7U);
    EXPECT_EQ(index->search(Matrix{0, 0}, 6).value().size(), 6U);
}

TEST(ExactVectorIndexTest, ReadersAndAWriterTogether) {
    constexpr std::size_t kDimensions = 64;
    const Matrix matrix = embeddings(2000, kDimensions, 6);
    auto index = make_exact_vector_index(kDimensions);
    ASSERT_TRUE(index->upsert(numbered(1000), std::span(matrix).first(1000 * kDimensions)));
    std::jthread writer([&] {
        for (std::uint64_t key = 1000; key < 2000; ++key) {
            ASSERT_TRUE(index->upsert(std::vector{key}, std::span(&matrix[key * kDimensions], kDimensions)));
            if (key % 3 == 0) index->remove(std::vector{key - 900});
        }
    });
    for (int i = 0; i < 200; ++i) {
        const auto hits = index->search(std::span(&matrix[0], kDimensions), 10).value();
        ASSERT_EQ(hits.size(), 10U);
        EXPECT_EQ(hits.front().key, 0U);
    }
}

TEST(Kernels, AgreeWithEachOther) {
    const auto* portable = internal::kernels_named("portable");
    ASSERT_NE(portable, nullptr);
    std::mt19937 random(7);
    constexpr std::size_t kRows = 5;
    for (const std::size_t length : {std::size_t{64}, std::size_t{384}, std::size_t{1024}}) {
        std::vector<std::int8_t> query(length);
        std::vector<std::int8_t> rows(kRows * length);
        std::vector<std::int32_t> sums(kRows);
        std::vector<float> a(length);
        std::vector<float> b(length);
        for (auto& value : query) value = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            rows[i] = i < length ? std::int8_t{127} : static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
            sums[i / length] += rows[i];
        }
        for (auto& value : a) value = static_cast<float>(random() % 1000) / 1000 - 0.5F;
        for (auto& value : b) value = static_cast<float>(random() % 1000) / 1000 - 0.5F;
        std::vector<std::int32_t> wanted(kRows);
        portable->dot_i8(query.data(), rows.data(), sums.data(), kRows, length, wanted.data());
        for (const auto* name : {"avx2", "avx512vnni"}) {
            const auto* kernels = internal::kernels_named(name);
            if (kernels == nullptr) continue;
            std::vector<std::int32_t> got(kRows);
            kernels->dot_i8(query.data(), rows.data(), sums.data(), kRows, length, got.data());
            EXPECT_EQ(got, wanted) << name;
            EXPECT_NEAR(kernels->dot_f32(a.data(), b.data(), length), portable->dot_f32(a.data(), b.data(), length), 1e-3F);
        }
    }
}

}  // namespace
}  // namespace atrium::data
