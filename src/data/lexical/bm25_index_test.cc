#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "data/lexical/analyzer.h"
#include "data/lexical/lexical_index.h"

namespace atrium::data {
namespace {

std::vector<std::uint64_t> keys_of(const std::vector<LexicalHit>& hits) {
    std::vector<std::uint64_t> keys;
    for (const auto& hit : hits) keys.push_back(hit.key);
    return keys;
}

/// The textbook formula over all documents, for comparison.
std::vector<LexicalHit> reference(const std::map<std::uint64_t, std::string>& documents, std::string_view query, std::size_t k,
                                  const std::function<bool(std::uint64_t)>& filter = {}) {
    std::map<std::uint64_t, std::map<std::string, int>> counts;
    std::map<std::string, int> document_frequency;
    double total = 0;
    std::map<std::uint64_t, double> lengths;
    for (const auto& [key, text] : documents) {
        for (const auto& term : analyze(text)) {
            ++counts[key][term];
            ++lengths[key];
        }
        for (const auto& [term, count] : counts[key]) ++document_frequency[term];
        total += lengths[key];
    }
    const auto size = static_cast<double>(documents.size());
    std::vector<LexicalHit> hits;
    for (const auto& [key, text] : documents) {
        if (filter && !filter(key)) continue;
        double score = 0;
        for (const auto& term : analyze(query)) {
            const auto tf = static_cast<double>(counts[key].contains(term) ? counts[key][term] : 0);
            if (tf == 0 || is_stop_word(term)) continue;
            const double df = document_frequency[term];
            const double idf = std::log(1 + (size - df + 0.5) / (df + 0.5));
            score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[key] * size / total));
        }
        if (score > 0) hits.push_back({key, static_cast<float>(score)});
    }
    std::sort(hits.begin(), hits.end(), [](auto& a, auto& b) { return a.score != b.score ? a.score > b.score : a.key < b.key; });
    if (hits.size() > k) hits.resize(k);
    return hits;
}

std::string random_text(std::mt19937& random, std::size_t words) {
    std::string text;
    for (std::size_t i = 0; i < words; ++i) {
        // A Zipf-like vocabulary: common words are very common.
        const double u = static_cast<double>(random() % 10000 + 1) / 10000;
        text += "w" + std::to_string(static_cast<int>(1 / u)) + "x ";
    }
    return text;
}

TEST(Bm25Index, FindsTheRightDocument) {
    auto index = make_bm25_index();
    index->upsert(1, "", "The gateway authenticates every request with an API key.");
    index->upsert(2, "", "The engine runs models in its own process.");
    index->upsert(3, "", "知识库把文档切分成段落，再建立向量索引。");
    index->upsert(4, "员工手册", "年假为每年十五天，须提前两周申请。");
    EXPECT_THAT(keys_of(index->search("How are requests authenticated?", 3)), ::testing::ElementsAre(1));
    EXPECT_THAT(keys_of(index->search("which process runs the model", 1)), ::testing::ElementsAre(2));
    EXPECT_EQ(index->search("什么是向量索引？", 3).front().key, 3U);
    EXPECT_EQ(index->search("年假有多少天", 3).front().key, 4U);
    EXPECT_EQ(index->search("手冊", 3).front().key, 4U) << "title, traditional characters";
    EXPECT_TRUE(index->search("", 3).empty());
    EXPECT_TRUE(index->search("zebra", 3).empty());
    EXPECT_TRUE(index->search("gateway", 0).empty());
    EXPECT_FALSE(index->search("the", 3).empty()) << "a query of stop words only still finds something";
}

TEST(Bm25Index, AgreesWithTheFormulaThroughUpdatesAndFilters) {
    std::mt19937 random(1);
    auto index = make_bm25_index();
    std::map<std::uint64_t, std::string> documents;
    for (std::uint64_t key = 0; key < 300; ++key) {
        documents[key] = random_text(random, 5 + random() % 60);
        index->upsert(key, "", documents[key]);
    }
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 20; ++i) {
            const std::string query = random_text(random, 1 + random() % 8);
            const std::size_t k = 1 + random() % 20;
            const bool filtered = i % 3 == 0;
            const std::function<bool(std::uint64_t)> filter = [](std::uint64_t key) { return key % 3 == 1; };
            const auto wanted = reference(documents, query, k, filtered ? filter : nullptr);
            const auto got = index->search(query, k, filtered ? filter : nullptr);
            ASSERT_EQ(got.size(), wanted.size()) << query;
            for (std::size_t h = 0; h < got.size(); ++h) EXPECT_NEAR(got[h].score, wanted[h].score, 1e-3) << query;
        }
        // Replace and remove until the index has compacted itself: frequencies of removed documents linger before.
        std::vector<std::uint64_t> gone;
        const std::size_t before = documents.size();
        for (auto& [key, text] : documents) {
            if (random() % 5 < 2) gone.push_back(key);
        }
        index->remove(gone);
        for (const auto key : gone) documents.erase(key);
        EXPECT_EQ(index->size(), documents.size());
        EXPECT_LT(documents.size(), before);
        for (int i = 0; i < 150; ++i) {
            const std::uint64_t key = 1000 * static_cast<std::uint64_t>(round + 1) + static_cast<std::uint64_t>(i);
            documents[key] = random_text(random, 5 + random() % 60);
            index->upsert(key, "", documents[key]);
        }
        auto fresh = make_bm25_index();
        for (const auto& [key, text] : documents) fresh->upsert(key, "", text);
        index = std::move(fresh);
    }
}

TEST(Bm25Index, ForgetsRemovedAndReplacedDocuments) {
    auto index = make_bm25_index();
    for (std::uint64_t key = 0; key < 500; ++key) index->upsert(key, "", "common words and number" + std::to_string(key));
    for (std::uint64_t key = 0; key < 500; ++key) index->upsert(key, "", "replaced text " + std::to_string(key + 100'000));
    EXPECT_EQ(index->size(), 500U);
    EXPECT_TRUE(index->search("common number7", 10).empty());
    EXPECT_EQ(index->search("100007", 10).front().key, 7U);
    EXPECT_EQ(index->search("replaced", 1000).size(), 500U);
    std::vector<std::uint64_t> all;
    for (std::uint64_t key = 0; key < 500; ++key) all.push_back(key);
    index->remove(all);
    index->remove(all);
    EXPECT_EQ(index->size(), 0U);
    EXPECT_TRUE(index->search("replaced", 10).empty());
    index->upsert(3, "", "back again");
    EXPECT_EQ(index->search("again back", 10).size(), 1U);
}

TEST(Bm25Index, AThrowingFilterLeavesNothingBehind) {
    auto index = make_bm25_index();
    for (std::uint64_t key = 0; key < 20; ++key) index->upsert(key, "", "alpha beta");
    const auto before = index->search("alpha", 20);
    EXPECT_THROW(index->search("alpha", 20, [](std::uint64_t) -> bool { throw std::runtime_error("x"); }), std::runtime_error);
    const auto after = index->search("alpha", 20);
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].score, after[i].score);
}

TEST(Bm25Index, CoverageIsTheShareOfInformation) {
    auto index = make_bm25_index();
    index->upsert(1, "", "Annual leave is fifteen days. 员工每年享有十五天年假。");
    index->upsert(2, "", "The office opens at nine. 办公室九点开门。");
    index->upsert(3, "", "Expenses are paid monthly. 费用每月报销。");
    EXPECT_DOUBLE_EQ(index->coverage("annual leave", "Annual leave is fifteen days."), 1);
    EXPECT_DOUBLE_EQ(index->coverage("annual leave", "The office opens at nine."), 0);
    const double half = index->coverage("annual expenses", "Annual leave is fifteen days.");
    EXPECT_GT(half, 0.3);
    EXPECT_LT(half, 0.7);
    EXPECT_LT(index->coverage("What is the zebra policy?", "Annual leave is what it is."), 0.2);
    EXPECT_GT(index->coverage("办公室几点开门？", "办公室九点开门。"), 0.6);
    EXPECT_LT(index->coverage("量子计算机的价格", "办公室九点开门。"), 0.1);
    EXPECT_DOUBLE_EQ(index->coverage("", "anything"), 0);
    EXPECT_DOUBLE_EQ(index->coverage("假", "十五天年假"), 1);
}

TEST(Bm25Index, ReadersAndAWriterTogether) {
    auto index = make_bm25_index();
    for (std::uint64_t key = 0; key < 200; ++key) index->upsert(key, "", "stable document " + std::to_string(key));
    std::jthread writer([&] {
        for (std::uint64_t key = 1000; key < 1600; ++key) {
            index->upsert(key, "", "passing document");
            if (key > 1010) index->remove(std::vector{key - 10});
        }
    });
    for (int i = 0; i < 300; ++i) EXPECT_EQ(index->search("stable", 500).size(), 200U);
}

}  // namespace
}  // namespace atrium::data
