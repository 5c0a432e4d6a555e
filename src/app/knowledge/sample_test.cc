#include "app/knowledge/sample.h"

#include <fstream>

#include "app/knowledge/knowledge_fixture.h"
#include "platform/fs/fault_fs.h"

namespace atrium::app::testing {
namespace {

class SampleTest : public KnowledgeTest {
protected:
    SampleTest() {
        std::filesystem::create_directory(folder_ / "sample");
        write("guide.md", "# Guide\nStart with make run.");
        write("handbook.txt", "Employees get 25 days.");
        write("README.md", "not a document");
        write("image.png", "not a document");
    }
    void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / "sample" / name) << text; }
    Result<> create(Fs& fs = machine_fs()) {
        return run_blocking(create_sample_store(*database_, *files_, *stores_, fs, pool_, (folder_ / "sample").string()));
    }
};

TEST_F(SampleTest, IsMadeOnce) {
    ASSERT_TRUE(create());
    auto stores = run_blocking(stores_->list("proj_default", {})).value().items;
    ASSERT_EQ(stores.size(), 1U);
    EXPECT_EQ(stores[0].name, kSampleStoreName);
    EXPECT_EQ(stores[0].file_counts.total(), 2);
    ASSERT_TRUE(create());
    EXPECT_EQ(run_blocking(stores_->list("proj_default", {})).value().items.size(), 1U);
    // Who deletes it does not get it back.
    ASSERT_TRUE(run_blocking(stores_->remove("proj_default", stores[0].id)));
    ASSERT_TRUE(create());
    EXPECT_TRUE(run_blocking(stores_->list("proj_default", {})).value().items.empty());
}

TEST_F(SampleTest, FailingAnywhereIsRepairedByTheNextStart) {
    FaultFs faulty(machine_fs());
    bool succeeded = false;
    for (std::uint64_t n = 0; n < 50 && !succeeded; ++n) {
        faulty.clear();
        faulty.fail_at(n, EIO);
        succeeded = create(faulty).has_value();
    }
    ASSERT_TRUE(succeeded);
    EXPECT_EQ(run_blocking(stores_->list("proj_default", {})).value().items.size(), 1U);
    EXPECT_EQ(count("files"), 2) << "files of failed attempts are used again";
}

TEST_F(SampleTest, NothingThereIsAnError) {
    EXPECT_FALSE(run_blocking(create_sample_store(*database_, *files_, *stores_, machine_fs(), pool_, (folder_ / "nowhere").string())));
    EXPECT_EQ(count("knowledge_state"), 0);
}

}  // namespace
}  // namespace atrium::app::testing
