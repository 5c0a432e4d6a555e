#include "app/knowledge/file_service.h"

#include "app/knowledge/knowledge_fixture.h"
#include "base/id.h"

namespace atrium::app::testing {
namespace {

class FileServiceTest : public KnowledgeTest {
protected:
    bool has_blob(const File& file) {
        return blobs_->exists({file.sha256, static_cast<std::uint64_t>(file.bytes)}).value();
    }
};

TEST_F(FileServiceTest, UploadedBytesComeBack) {
    const auto file = upload("hello world", "notes.txt");
    EXPECT_TRUE(is_id(file.id, "file-"));
    EXPECT_EQ(file.bytes, 11);
    const auto found = run_blocking(files_->get("proj_a", file.id));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->filename, "notes.txt");
    EXPECT_EQ(found->created_at, unix_seconds(clock_.system()));
    EXPECT_EQ(run_blocking(files_->read(*found, 6, 100)).value(), "world");
}

TEST_F(FileServiceTest, EmptyFileAndUnknownPurposeAreRefused) {
    auto empty = run_blocking(files_->begin()).value();
    const auto refused = run_blocking(files_->finish({"proj_a", "a.txt", "assistants", {}}, empty));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field(), "file");
    auto upload = run_blocking(files_->begin()).value();
    ASSERT_TRUE(run_blocking(upload->append("x")));
    const auto purpose = run_blocking(files_->finish({"proj_a", "a.txt", "party", {}}, upload));
    ASSERT_FALSE(purpose);
    EXPECT_EQ(purpose.error().field(), "purpose");
    EXPECT_EQ(count("files"), 0);
}

TEST_F(FileServiceTest, OtherProjectsSeeNothing) {
    const auto file = upload("secret");
    EXPECT_EQ(run_blocking(files_->get("proj_b", file.id)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(files_->remove("proj_b", file.id)).error().code(), Code::kNotFound);
    EXPECT_TRUE(run_blocking(files_->list("proj_b", "", {})).value().items.empty());
    EXPECT_TRUE(run_blocking(files_->get("proj_a", file.id)));
}

TEST_F(FileServiceTest, BlobGoesWithItsLastFile) {
    const auto first = upload("same bytes", "a.txt");
    const auto second = upload("same bytes", "b.txt", "proj_b");
    EXPECT_EQ(first.sha256, second.sha256);
    ASSERT_TRUE(run_blocking(files_->remove("proj_a", first.id)));
    EXPECT_TRUE(has_blob(second));
    ASSERT_TRUE(run_blocking(files_->remove("proj_b", second.id)));
    EXPECT_FALSE(has_blob(second));
    EXPECT_EQ(count("orphan_blobs"), 0);
}

TEST_F(FileServiceTest, InterruptedDeletionIsFinishedBySweep) {
    const auto file = upload("bytes");
    // What a crash between the two transactions of a deletion leaves behind.
    ASSERT_TRUE(database_->write_now<void>([&](sql::Session& session) -> Result<> {
        TRY(session.execute("DELETE FROM files WHERE id = :id", {{"id", file.id}}));
        TRY(session.execute("INSERT INTO orphan_blobs (sha256, bytes) VALUES (:sha, 5)", {{"sha", file.sha256}}));
        return {};
    }));
    ASSERT_TRUE(run_blocking(files_->sweep()));
    EXPECT_FALSE(has_blob(file));
    // The same content uploaded again meanwhile keeps its blob.
    const auto again = upload("bytes");
    ASSERT_TRUE(run_blocking(files_->sweep()));
    EXPECT_TRUE(has_blob(again));
}

TEST_F(FileServiceTest, BlobOfAnInterruptedUploadIsSwept) {
    const auto kept = upload("kept");
    // A process that was killed between the commit of the blob and the row of the file.
    auto writer = blobs_->create().value();
    ASSERT_TRUE(writer->append("lost"));
    const auto lost = writer->commit().value();
    ASSERT_TRUE(run_blocking(files_->sweep()));
    EXPECT_FALSE(blobs_->exists(lost).value());
    EXPECT_TRUE(has_blob(kept));
    EXPECT_EQ(count("orphan_blobs"), 0);
}

TEST_F(FileServiceTest, ExpiredFilesAreSwept) {
    auto pending = run_blocking(files_->begin()).value();
    ASSERT_TRUE(run_blocking(pending->append("short-lived")));
    const auto file = run_blocking(files_->finish({"proj_a", "a.txt", "user_data", 3600}, pending)).value();
    EXPECT_EQ(file.expires_at, file.created_at + 3600);
    ASSERT_TRUE(run_blocking(files_->sweep()));
    EXPECT_TRUE(run_blocking(files_->get("proj_a", file.id)));
    clock_.advance(std::chrono::seconds(3601));
    ASSERT_TRUE(run_blocking(files_->sweep()));
    EXPECT_FALSE(run_blocking(files_->get("proj_a", file.id)));
    EXPECT_FALSE(has_blob(file));
}

TEST_F(FileServiceTest, ListsPageInBothDirections) {
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(upload("content " + std::to_string(i)).id);
        if (i % 2 == 0) clock_.advance(std::chrono::seconds(1));  // some share their time
    }
    const auto all = run_blocking(files_->list("proj_a", "", {100, false, "", ""})).value();
    ASSERT_EQ(all.items.size(), 5U);
    EXPECT_FALSE(all.has_more);
    std::vector<std::string> paged;
    Paging paging{2, false, "", ""};
    for (;;) {
        const auto page = run_blocking(files_->list("proj_a", "", paging)).value();
        for (const auto& file : page.items) paged.push_back(file.id);
        if (!page.has_more) break;
        paging.after = paged.back();
    }
    ASSERT_EQ(paged.size(), 5U);
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(paged[i], all.items[i].id);
    const auto before = run_blocking(files_->list("proj_a", "", {2, false, "", all.items[3].id})).value();
    ASSERT_EQ(before.items.size(), 2U);
    EXPECT_EQ(before.items[0].id, all.items[1].id);
    EXPECT_TRUE(before.has_more);
    EXPECT_EQ(run_blocking(files_->list("proj_a", "", {2, false, "file-unknown123", ""})).error().field(), "after");
    EXPECT_TRUE(run_blocking(files_->list("proj_a", "batch", {})).value().items.empty());
}

TEST(CleanFilename, KeepsWhatPeopleWriteAndNothingElse) {
    EXPECT_EQ(FileService::clean_filename("报告 2024.pdf"), "报告 2024.pdf");
    EXPECT_EQ(FileService::clean_filename("C:\\Users\\x\\a.txt"), "a.txt");
    EXPECT_EQ(FileService::clean_filename("../../etc/passwd"), "passwd");
    EXPECT_EQ(FileService::clean_filename("a\r\nb\x01.txt"), "ab.txt");
    EXPECT_EQ(FileService::clean_filename(""), "file");
    EXPECT_EQ(FileService::clean_filename(".."), "file");
    EXPECT_EQ(FileService::clean_filename("evil\xE2\x80\xAEgpj.exe"), "evilgpj.exe");
    EXPECT_EQ(FileService::clean_filename("\xFF.txt"), "\xEF\xBF\xBD.txt");
    std::string longest;
    for (int i = 0; i < 200; ++i) longest += "字";
    const auto cut = FileService::clean_filename(longest + ".docx");
    EXPECT_LE(cut.size(), 255U);
    EXPECT_TRUE(cut.ends_with(".docx"));
    EXPECT_TRUE(text::is_utf8(cut));
}

}  // namespace
}  // namespace atrium::app::testing
