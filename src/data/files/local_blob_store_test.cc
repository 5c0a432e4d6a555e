#include "data/files/local_blob_store.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "base/id.h"
#include "platform/fs/fault_fs.h"
#include "security/crypto/crypto.h"

namespace atrium::data {
namespace {

class LocalBlobStoreTest : public ::testing::Test {
protected:
    ~LocalBlobStoreTest() override { std::filesystem::remove_all(root_); }

    std::unique_ptr<LocalBlobStore> open(Fs& fs = machine_fs()) { return LocalBlobStore::open(fs, root_).value(); }

    static Result<BlobRef> put(BlobStore& store, std::string_view content) {
        TRY_ASSIGN(auto writer, store.create());
        TRY(writer->append(content));
        return writer->commit();
    }

    Path file_of(const BlobRef& blob) const {
        return root_ / blob.sha256.substr(0, 2) / blob.sha256.substr(2, 2) / blob.sha256;
    }

    std::size_t temporary_files() const {
        const std::filesystem::directory_iterator files(root_ / "tmp");
        return static_cast<std::size_t>(std::distance(begin(files), end(files)));
    }

    Path root_ = std::filesystem::temp_directory_path() / new_id("atrium-blobs-");
};

TEST_F(LocalBlobStoreTest, NoticesDamage) {
    auto store = open();
    const BlobRef blob = put(*store, "precious bytes").value();
    std::fstream(file_of(blob), std::ios::in | std::ios::out).put('X');
    EXPECT_EQ(store->read(blob, 0, 100).error().code(), Code::kDataLoss);
    std::filesystem::resize_file(file_of(blob), 3);
    EXPECT_EQ(store->read(blob, 0, 100).error().code(), Code::kDataLoss);
    EXPECT_EQ(store->read(blob, 2, 5).error().code(), Code::kDataLoss);
    ASSERT_TRUE(put(*store, "precious bytes"));
    EXPECT_EQ(store->read(blob, 0, 100).value(), "precious bytes") << "storing it again heals";
}

TEST_F(LocalBlobStoreTest, RemovesLeftoversWhenOpened) {
    auto store = open();
    std::ofstream(root_ / "tmp" / "upload-interrupted") << "half";
    open();
    EXPECT_EQ(temporary_files(), 0U);
}

TEST_F(LocalBlobStoreTest, IgnoresForeignFiles) {
    auto store = open();
    std::ofstream(root_ / "README") << "x";
    std::filesystem::create_directories(root_ / "ab" / "cd");
    std::ofstream(root_ / "ab" / "cd" / "notes.txt") << "x";
    std::ofstream(root_ / "ab" / "cd" / std::string(64, 'e')) << "x";
    int count = 0;
    ASSERT_TRUE(store->list([&](const BlobRef&) { ++count; }));
    EXPECT_EQ(count, 0);
}

TEST_F(LocalBlobStoreTest, AFullDiskIsAnErrorAndLeavesNothing) {
    FaultFs fault(machine_fs());
    auto store = open(fault);
    fault.limit_bytes(10);
    auto writer = store->create().value();
    EXPECT_EQ(writer->append(std::string(100, 'x')).error().code(), Code::kResourceExhausted);
    EXPECT_EQ(writer->commit().error().code(), Code::kFailedPrecondition) << "never a partial blob";
    writer.reset();
    fault.clear();
    EXPECT_EQ(temporary_files(), 0U);
    EXPECT_TRUE(put(*store, "works again"));
}

TEST_F(LocalBlobStoreTest, ACrashAtAnyPointLosesNothingPromised) {
    constexpr std::string_view kOld = "stored before";
    constexpr std::string_view kNew = "being stored when the power went";
    for (std::uint64_t n = 0;; ++n) {
        std::filesystem::remove_all(root_);
        const BlobRef old = put(*open(), kOld).value();
        FaultFs fault(machine_fs());
        bool promised = false;
        {
            auto store = open(fault);
            fault.crash_at(n);
            promised = put(*store, kNew).has_value();
        }
        const bool finished = fault.operations() < n;
        auto again = open();
        EXPECT_EQ(again->read(old, 0, 100).value(), kOld);
        const BlobRef fresh{crypto::sha256_hex(kNew), kNew.size()};
        if (again->exists(fresh).value()) EXPECT_EQ(again->read(fresh, 0, 100).value(), kNew) << "whole or not at all";
        else EXPECT_FALSE(promised) << "crash at operation " << n;
        EXPECT_EQ(temporary_files(), 0U);
        if (finished) {
            EXPECT_TRUE(promised);
            break;
        }
        ASSERT_LT(n, 100U);
    }
}

TEST_F(LocalBlobStoreTest, AReadOnlyFolderIsNamed) {
    FaultFs fault(machine_fs());
    fault.fail_at(FaultFs::Op::kMakeDirectories, 0, EROFS);
    const auto store = LocalBlobStore::open(fault, root_);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code(), Code::kPermissionDenied);
}

}  // namespace
}  // namespace atrium::data
