#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <thread>

#include "base/id.h"
#include "data/files/local_blob_store.h"
#include "security/crypto/crypto.h"

/// What every BlobStore has to do. A new implementation is one more line in the table at the end.
namespace atrium::data {
namespace {

/// A fresh, empty store and what has to live as long.
struct StoreUnderTest {
    std::unique_ptr<BlobStore> store;
    std::shared_ptr<void> resources;
};
using MakeStore = std::function<StoreUnderTest()>;

class BlobStoreContract : public ::testing::TestWithParam<std::pair<std::string, MakeStore>> {
protected:
    void SetUp() override { under_test_ = GetParam().second(); }
    BlobStore& store() { return *under_test_.store; }

    BlobRef put(std::string_view content) {
        auto writer = store().create().value();
        EXPECT_TRUE(writer->append(content));
        return writer->commit().value();
    }

    std::set<std::string> listed() {
        std::set<std::string> names;
        EXPECT_TRUE(store().list([&](const BlobRef& blob) { names.insert(blob.sha256); }));
        return names;
    }

private:
    StoreUnderTest under_test_;
};

TEST_P(BlobStoreContract, ReadsWhatWasWritten) {
    auto writer = store().create().value();
    ASSERT_TRUE(writer->append("hello "));
    ASSERT_TRUE(writer->append(""));
    ASSERT_TRUE(writer->append("world"));
    const BlobRef blob = writer->commit().value();
    EXPECT_EQ(blob.sha256, crypto::sha256_hex("hello world"));
    EXPECT_EQ(blob.bytes, 11U);
    EXPECT_EQ(store().read(blob, 0, 100).value(), "hello world");
    EXPECT_EQ(store().read(blob, 6, 3).value(), "wor");
    EXPECT_EQ(store().read(blob, 11, 5).value(), "");
    EXPECT_EQ(store().read(blob, 50, 5).value(), "");
    EXPECT_TRUE(store().exists(blob).value());
}

TEST_P(BlobStoreContract, StoresTheEmptyBlobAndAllBytes) {
    EXPECT_EQ(store().read(put(""), 0, 10).value(), "");
    std::string bytes;
    for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7);
    EXPECT_EQ(store().read(put(bytes), 0, bytes.size()).value(), bytes);
}

TEST_P(BlobStoreContract, KeepsEqualContentOnce) {
    const BlobRef a = put("same");
    const BlobRef b = put("same");
    EXPECT_EQ(a.sha256, b.sha256);
    EXPECT_EQ(listed().size(), 1U);
    EXPECT_EQ(store().read(b, 0, 10).value(), "same");
}

TEST_P(BlobStoreContract, ShowsNothingBeforeCommit) {
    {
        auto writer = store().create().value();
        ASSERT_TRUE(writer->append("abandoned"));
        EXPECT_TRUE(listed().empty());
    }
    EXPECT_TRUE(listed().empty());
    EXPECT_FALSE(store().exists({crypto::sha256_hex("abandoned"), 9}).value());
}

TEST_P(BlobStoreContract, RemovesAndForgets) {
    const BlobRef blob = put("gone soon");
    const BlobRef kept = put("kept");
    ASSERT_TRUE(store().remove(blob));
    ASSERT_TRUE(store().remove(blob)) << "absent is success";
    EXPECT_FALSE(store().exists(blob).value());
    EXPECT_EQ(store().read(blob, 0, 10).error().code(), Code::kNotFound);
    EXPECT_EQ(listed(), std::set<std::string>{kept.sha256});
}

TEST_P(BlobStoreContract, RefusesNamesThatAreNotHashes) {
    for (const std::string& name : {std::string("../../etc/passwd"), std::string(), std::string(64, 'G'), std::string(64, 'A'), std::string(63, 'a')}) {
        const BlobRef blob{name, 1};
        EXPECT_EQ(store().read(blob, 0, 1).error().code(), Code::kInvalidArgument);
        EXPECT_EQ(store().exists(blob).error().code(), Code::kInvalidArgument);
        EXPECT_EQ(store().remove(blob).error().code(), Code::kInvalidArgument);
    }
}

TEST_P(BlobStoreContract, ACommittedWriterIsDone) {
    auto writer = store().create().value();
    ASSERT_TRUE(writer->append("x"));
    ASSERT_TRUE(writer->commit());
    EXPECT_EQ(writer->append("y").error().code(), Code::kFailedPrecondition);
    EXPECT_EQ(writer->commit().error().code(), Code::kFailedPrecondition);
}

TEST_P(BlobStoreContract, WritersDoNotDisturbEachOther) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([this, t] {
            for (int i = 0; i < 20; ++i) {
                const std::string content = "blob " + std::to_string(i % 10) + (i % 2 == 0 ? "" : " of " + std::to_string(t));
                EXPECT_EQ(store().read(put(content), 0, 100).value(), content);
            }
        });
    }
    threads.clear();
    EXPECT_EQ(listed().size(), 5U + 4U * 5U);
}

StoreUnderTest local_store() {
    struct Folder {
        Path path = std::filesystem::temp_directory_path() / new_id("atrium-blobs-");
        ~Folder() { std::filesystem::remove_all(path); }
    };
    auto folder = std::make_shared<Folder>();
    return {LocalBlobStore::open(machine_fs(), folder->path).value(), folder};
}

INSTANTIATE_TEST_SUITE_P(Implementations, BlobStoreContract, ::testing::Values(std::pair<std::string, MakeStore>("local", local_store)),
                         [](const auto& test) { return test.param.first; });

}  // namespace
}  // namespace atrium::data
