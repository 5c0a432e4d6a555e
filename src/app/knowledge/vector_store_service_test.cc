#include "app/knowledge/vector_store_service.h"

#include "app/knowledge/knowledge_fixture.h"

namespace atrium::app::testing {
namespace {

class VectorStoreTest : public KnowledgeTest {};

TEST_F(VectorStoreTest, LifeOfAStore) {
    const auto file = upload("text");
    const auto store = make_store({file.id});
    EXPECT_EQ(store.status(), "in_progress");
    EXPECT_EQ(store.file_counts.in_progress, 1);
    EXPECT_EQ(announced_, 1);
    VectorStoreService::StoreChanges changes;
    changes.name = "renamed";
    changes.metadata = json::object{{"a", "b"}};
    changes.expires_after_days = 7;
    const auto changed = run_blocking(stores_->update("proj_a", store.id, changes)).value();
    EXPECT_EQ(changed.name, "renamed");
    EXPECT_EQ(changed.metadata.at("a").as_string(), "b");
    EXPECT_EQ(changed.expires_at, unix_seconds(clock_.system()) + 7 * 86400);
    ASSERT_TRUE(run_blocking(stores_->remove("proj_a", store.id)));
    EXPECT_FALSE(run_blocking(stores_->get("proj_a", store.id)));
    EXPECT_TRUE(run_blocking(files_->get("proj_a", file.id))) << "the file itself stays";
    EXPECT_EQ(count("vector_store_files"), 0);
}

TEST_F(VectorStoreTest, RemovalIsAnnounced) {
    std::vector<std::string> removed;
    VectorStoreService stores(*database_, clock_, VectorStoreService::Defaults{300, 0}, [] {},
                              [&](const std::string& id) { removed.push_back(id); });
    const auto store = make_store({});
    EXPECT_FALSE(run_blocking(stores.remove("proj_b", store.id)));
    EXPECT_TRUE(removed.empty());
    EXPECT_TRUE(run_blocking(stores.remove("proj_a", store.id)));
    EXPECT_EQ(removed, std::vector<std::string>{store.id});
}

TEST_F(VectorStoreTest, EverythingForeignIsNotFound) {
    const auto file = upload("text");
    const auto foreign = upload("text", "b.txt", "proj_b");
    const auto store = make_store({file.id});
    ingest_all();
    const auto chunks = run_blocking(stores_->list_chunks("proj_a", store.id, file.id, {})).value();
    ASSERT_EQ(chunks.items.size(), 1U);
    const auto batch = run_blocking(stores_->create_batch("proj_a", store.id, {{file.id, {}, {}}})).value();
    const auto missing = [](const auto& result) { return !result && result.error().code() == Code::kNotFound; };
    EXPECT_TRUE(missing(run_blocking(stores_->get("proj_b", store.id))));
    EXPECT_TRUE(missing(run_blocking(stores_->update("proj_b", store.id, {}))));
    EXPECT_TRUE(missing(run_blocking(stores_->remove("proj_b", store.id))));
    EXPECT_TRUE(missing(run_blocking(stores_->add_file("proj_b", store.id, {foreign.id, {}, {}}))));
    EXPECT_TRUE(missing(run_blocking(stores_->add_file("proj_a", store.id, {foreign.id, {}, {}}))));
    EXPECT_TRUE(missing(run_blocking(stores_->get_file("proj_b", store.id, file.id))));
    EXPECT_TRUE(missing(run_blocking(stores_->list_files("proj_b", store.id, "", {}))));
    EXPECT_TRUE(missing(run_blocking(stores_->set_attributes("proj_b", store.id, file.id, {}))));
    EXPECT_TRUE(missing(run_blocking(stores_->remove_file("proj_b", store.id, file.id))));
    EXPECT_TRUE(missing(run_blocking(stores_->create_batch("proj_b", store.id, {{foreign.id, {}, {}}}))));
    EXPECT_TRUE(missing(run_blocking(stores_->get_batch("proj_b", store.id, batch.id))));
    EXPECT_TRUE(missing(run_blocking(stores_->cancel_batch("proj_b", store.id, batch.id))));
    EXPECT_TRUE(missing(run_blocking(stores_->list_batch_files("proj_b", store.id, batch.id, "", {}))));
    EXPECT_TRUE(missing(run_blocking(stores_->list_chunks("proj_b", store.id, file.id, {}))));
    EXPECT_TRUE(missing(run_blocking(stores_->get_chunk("proj_b", store.id, chunks.items[0].id))));
    EXPECT_TRUE(missing(search(store.id, "text", "proj_b")));
    EXPECT_TRUE(run_blocking(stores_->list("proj_b", {})).value().items.empty());
}

TEST_F(VectorStoreTest, BatchIsAllOrNothing) {
    const auto file = upload("text");
    const auto store = make_store({});
    EXPECT_EQ(store.status(), "completed");
    EXPECT_FALSE(run_blocking(stores_->create_batch("proj_a", store.id, {{file.id, {}, {}}, {"file-doesnotexist", {}, {}}})));
    EXPECT_EQ(count("vector_store_files"), 0);
    EXPECT_EQ(count("vector_store_batches"), 0);
    const auto batch = run_blocking(stores_->create_batch("proj_a", store.id, {{file.id, {}, {}}, {file.id, {}, {}}})).value();
    EXPECT_EQ(batch.file_counts.total(), 1);
    EXPECT_EQ(batch.status(), "in_progress");
    ingest_all();
    EXPECT_EQ(run_blocking(stores_->get_batch("proj_a", store.id, batch.id)).value().status(), "completed");
}

TEST_F(VectorStoreTest, CancelledBatchStopsWhatIsNotDone) {
    const auto done = upload("first");
    const auto waiting = upload("second");
    const auto store = make_store({done.id});
    ingest_all();
    const auto batch = run_blocking(stores_->create_batch("proj_a", store.id, {{done.id, {}, {}}, {waiting.id, {}, {}}})).value();
    const auto cancelled = run_blocking(stores_->cancel_batch("proj_a", store.id, batch.id)).value();
    EXPECT_EQ(cancelled.status(), "cancelled");
    EXPECT_EQ(cancelled.file_counts.completed, 1);
    EXPECT_EQ(cancelled.file_counts.cancelled, 1);
    EXPECT_FALSE(ingest_one());
    // Adding it again starts it again.
    ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {waiting.id, {}, {}})));
    ingest_all();
    EXPECT_EQ(store_file(store.id, waiting.id).status, "completed");
}

TEST_F(VectorStoreTest, AddingAgainChangesNothingUnlessTheChunkingDiffers) {
    const auto file = upload("One sentence here. Another sentence there. A third one follows.");
    const auto store = make_store({file.id});
    ingest_all();
    const auto calls = models_.embed_calls;
    ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {file.id, {}, {}})));
    EXPECT_FALSE(ingest_one());
    EXPECT_EQ(models_.embed_calls, calls);
    ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {file.id, {}, ChunkingStrategy{false, 100, 0}})));
    EXPECT_EQ(store_file(store.id, file.id).status, "in_progress");
    EXPECT_FALSE(search(store.id, "sentence").value().passages.empty()) << "the old passages stay searchable";
    ingest_all();
    EXPECT_EQ(store_file(store.id, file.id).status, "completed");
}

TEST_F(VectorStoreTest, ExpiredStoresRefuseWork) {
    VectorStoreService::NewStore wanted;
    wanted.project = "proj_a";
    wanted.expires_after_days = 1;
    const auto store = run_blocking(stores_->create(wanted)).value();
    clock_.advance(std::chrono::hours(25));
    EXPECT_EQ(run_blocking(stores_->get("proj_a", store.id)).value().status(), "expired");
    const auto file = upload("text");
    EXPECT_EQ(run_blocking(stores_->add_file("proj_a", store.id, {file.id, {}, {}})).error().code(), Code::kFailedPrecondition);
    EXPECT_EQ(search(store.id, "text").error().code(), Code::kFailedPrecondition);
}

TEST_F(VectorStoreTest, ChunksHaveNeighbours) {
    const auto file = upload("# A\nFirst paragraph.\n# B\nSecond paragraph.\n# C\nThird paragraph.");
    const auto store = make_store({file.id});
    ingest_all();
    Paging paging{2, true, "", ""};
    const auto first = run_blocking(stores_->list_chunks("proj_a", store.id, file.id, paging)).value();
    ASSERT_EQ(first.items.size(), 2U);
    EXPECT_TRUE(first.has_more);
    EXPECT_EQ(first.items[0].headings, std::vector<std::string>{"A"});
    paging.after = first.items[1].id;
    const auto rest = run_blocking(stores_->list_chunks("proj_a", store.id, file.id, paging)).value();
    ASSERT_EQ(rest.items.size(), 1U);
    const auto middle = run_blocking(stores_->get_chunk("proj_a", store.id, first.items[1].id)).value();
    EXPECT_THAT(middle.before.value_or(""), ::testing::HasSubstr("First"));
    EXPECT_THAT(middle.after.value_or(""), ::testing::HasSubstr("Third"));
    EXPECT_FALSE(run_blocking(stores_->get_chunk("proj_a", store.id, first.items[0].id)).value().before);
}

TEST_F(VectorStoreTest, DeletingAFileTakesItOutOfItsStores) {
    const auto file = upload("text about otters");
    const auto store = make_store({file.id});
    ingest_all();
    EXPECT_EQ(search(store.id, "otters").value().passages.size(), 1U);
    ASSERT_TRUE(run_blocking(files_->remove("proj_a", file.id)));
    EXPECT_TRUE(search(store.id, "otters").value().passages.empty());
    EXPECT_EQ(count("chunks"), 0);
}

}  // namespace
}  // namespace atrium::app::testing
