#include "security/audit/hash_chain.h"

#include <gtest/gtest.h>

#include <vector>

namespace atrium::audit {
namespace {

std::vector<Link> chain(int count) {
    std::vector<Link> links;
    std::string previous(kGenesis);
    for (int i = 1; i <= count; ++i) {
        Link link{i, canonical_json(json::object{{"n", i}, {"a", "x"}}), previous, ""};
        link.hash = chain_hash(previous, i, link.record);
        previous = link.hash;
        links.push_back(link);
    }
    return links;
}

Result<> verify(const std::vector<Link>& links, std::int64_t number, std::string_view hash) {
    ChainVerifier verifier;
    for (const auto& link : links) TRY(verifier.add(link));
    return verifier.finish(number, hash);
}

TEST(HashChain, CanonicalJsonHasOneSpelling) {
    const auto a = json::parse(R"({"b": [1, {"z":null,"y":true}], "a": "ü\n"})").value();
    const auto b = json::parse(R"({"a":"\u00fc\u000a","b":[1,{"y":true,"z":null}]})").value();
    EXPECT_EQ(canonical_json(a), canonical_json(b));
    EXPECT_EQ(canonical_json(a), "{\"a\":\"ü\\n\",\"b\":[1,{\"y\":true,\"z\":null}]}");
}

TEST(HashChain, AnUntouchedChainHolds) {
    const auto links = chain(20);
    EXPECT_TRUE(verify(links, 20, links.back().hash));
    EXPECT_TRUE(verify({}, 0, kGenesis));
}

TEST(HashChain, EveryFlippedBitIsNoticed) {
    const auto links = chain(3);
    for (std::size_t at = 0; at < links[1].record.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            auto damaged = links;
            damaged[1].record[at] = static_cast<char>(damaged[1].record[at] ^ (1 << bit));
            const auto verdict = verify(damaged, 3, links.back().hash);
            ASSERT_FALSE(verdict);
            EXPECT_EQ(verdict.error().code(), Code::kDataLoss);
            EXPECT_NE(verdict.error().message().find("record 2"), std::string::npos);
        }
    }
}

TEST(HashChain, MissingMovedAndRenumberedRecordsAreNoticed) {
    const auto links = chain(5);
    const auto& head = links.back().hash;
    for (std::size_t i = 0; i < links.size(); ++i) {
        auto shorter = links;
        shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(verify(shorter, 5, head)) << i;
        for (std::size_t k = i; k < shorter.size(); ++k) --shorter[k].number;
        EXPECT_FALSE(verify(shorter, 4, shorter.back().hash) && i + 1 < links.size()) << i;
    }
    auto swapped = links;
    std::swap(swapped[1], swapped[2]);
    EXPECT_FALSE(verify(swapped, 5, head));
    std::swap(swapped[1].number, swapped[2].number);
    EXPECT_FALSE(verify(swapped, 5, head));
}

TEST(HashChain, ARecomputedTailDoesNotFitTheHead) {
    const auto links = chain(5);
    auto forged = chain(4);
    EXPECT_FALSE(verify(forged, 5, links.back().hash));
    forged = chain(6);
    EXPECT_FALSE(verify(forged, 5, links.back().hash));
}

}  // namespace
}  // namespace atrium::audit
