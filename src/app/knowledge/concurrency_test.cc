// Two gateways on one PostgreSQL, where transactions run at the same time.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "app/knowledge/file_service.h"
#include "app/knowledge/schema.h"
#include "app/knowledge/vector_store_service.h"
#include "data/files/local_blob_store.h"
#include "platform/fs/fs.h"
#include "platform/sql/test_postgresql.h"

namespace atrium::app {
namespace {

constexpr int kRounds = 15;

class ConcurrencyTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string why_not;
        server_ = sql::TestPostgresql::start(why_not);
        if (server_ == nullptr) GTEST_SKIP() << why_not;
        std::string pattern = (std::filesystem::temp_directory_path() / "atrium-concurrency-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        database_ = sql::Database::open(server_->url(), 4).value();
        ASSERT_TRUE(database_->migrate(knowledge_migrations()));
        blobs_ = data::LocalBlobStore::open(machine_fs(), folder_ / "files").value();
        files_ = std::make_unique<FileService>(*database_, *blobs_, pool_, system_clock());
        stores_ = std::make_unique<VectorStoreService>(*database_, system_clock(), VectorStoreService::Defaults{300, 0}, [] {});
    }
    void TearDown() override {
        database_.reset();
        std::filesystem::remove_all(folder_);
    }

    Result<File> upload(const std::string& bytes, const std::string& project) {
        TRY_ASSIGN(auto upload, run_blocking(files_->begin()));
        TRY(run_blocking(upload->append(bytes)));
        return run_blocking(files_->finish({project, "a.txt", "assistants", {}}, upload));
    }
    bool has_blob(const File& file) {
        return blobs_->exists({file.sha256, static_cast<std::uint64_t>(file.bytes)}).value();
    }
    std::int64_t number(const std::string& query) {
        return database_->read_now<std::int64_t>([&](sql::Session& session) -> Result<std::int64_t> {
            TRY_ASSIGN(const auto row, session.query_one(query));
            return row->integer("n");
        }).value();
    }
    template <class First, class Second>
    static void at_once(First first, Second second) {
        std::thread other(first);
        second();
        other.join();
    }

    std::unique_ptr<sql::TestPostgresql> server_;
    std::filesystem::path folder_;
    ThreadPool pool_{"test", 4};
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<data::BlobStore> blobs_;
    std::unique_ptr<FileService> files_;
    std::unique_ptr<VectorStoreService> stores_;
};

TEST_F(ConcurrencyTest, TheLastTwoFilesOfAContentTakeItsBlobWithThem) {
    for (int i = 0; i < kRounds; ++i) {
        const auto a = upload("round " + std::to_string(i), "proj_a").value();
        const auto b = upload("round " + std::to_string(i), "proj_b").value();
        at_once([&] { EXPECT_TRUE(run_blocking(files_->remove("proj_a", a.id))); },
                [&] { EXPECT_TRUE(run_blocking(files_->remove("proj_b", b.id))); });
        ASSERT_FALSE(has_blob(a)) << i;
        ASSERT_EQ(number("SELECT COUNT(*) AS n FROM orphan_blobs"), 0) << i;
    }
}

TEST_F(ConcurrencyTest, AnAcknowledgedFileHasItsBytes) {
    for (int i = 0; i < kRounds; ++i) {
        const auto old = upload("round " + std::to_string(i), "proj_a").value();
        Result<File> fresh = fail(unknown_error("not yet"));
        at_once([&] { EXPECT_TRUE(run_blocking(files_->remove("proj_a", old.id))); },
                [&] { fresh = upload("round " + std::to_string(i), "proj_b"); });
        if (fresh) {
            ASSERT_TRUE(has_blob(*fresh)) << i;
        } else {
            ASSERT_EQ(fresh.error().code(), Code::kAborted) << fresh.error().to_string();
        }
    }
}

TEST_F(ConcurrencyTest, NoMembershipSurvivesItsFileOrItsStore) {
    const std::string dangling =
        "SELECT COUNT(*) AS n FROM vector_store_files f WHERE NOT EXISTS (SELECT 1 FROM files d WHERE d.id = f.file_id) "
        "OR NOT EXISTS (SELECT 1 FROM vector_stores s WHERE s.id = f.store_id)";
    for (int i = 0; i < kRounds; ++i) {
        const auto file = upload("round " + std::to_string(i), "proj_a").value();
        VectorStoreService::NewStore wanted;
        wanted.project = "proj_a";
        const auto store = run_blocking(stores_->create(wanted)).value();
        at_once(
            [&] {
                if (i % 2 == 0) {
                    EXPECT_TRUE(run_blocking(files_->remove("proj_a", file.id)));
                } else {
                    EXPECT_TRUE(run_blocking(stores_->remove("proj_a", store.id)));
                }
            },
            [&] { static_cast<void>(run_blocking(stores_->add_file("proj_a", store.id, {file.id, {}, {}}))); });
        ASSERT_EQ(number(dangling), 0) << i;
    }
}

}  // namespace
}  // namespace atrium::app
