#include "app/knowledge/retriever.h"

#include <thread>

#include "app/knowledge/knowledge_fixture.h"

namespace atrium::app::testing {
namespace {

class RetrieverTest : public KnowledgeTest {
protected:
    Result<SearchResult> search_with(SearchRequest request, const std::string& project = "proj_a") {
        return run_blocking(retriever_->search(caller(project), std::move(request)));
    }
};

TEST_F(RetrieverTest, FindsByWordsAndMeaningInBothLanguages) {
    const auto english = upload("# Leave\nEmployees get 25 days of annual leave.\n# Travel\nBook trains in second class.", "handbook.txt");
    const auto chinese = upload("# 年假\n员工每年享有二十五天带薪年假。\n# 差旅\n火车票应购买二等座。", "手册.txt");
    const auto store = make_store({english.id, chinese.id});
    ingest_all();
    const auto found = search(store.id, "How many days of annual leave?").value();
    ASSERT_FALSE(found.passages.empty());
    EXPECT_THAT(found.passages[0].chunk.text, ::testing::HasSubstr("25 days"));
    EXPECT_EQ(found.passages[0].dense->rank, 1);
    EXPECT_EQ(found.passages[0].lexical->rank, 1);
    EXPECT_FALSE(found.words_only);
    for (const auto& passage : found.passages) {
        EXPECT_GE(passage.score, 0);
        EXPECT_LE(passage.score, 1);
    }
    EXPECT_THAT(search(store.id, "带薪年假有几天？").value().passages.at(0).chunk.text, ::testing::HasSubstr("二十五天"));
}

TEST_F(RetrieverTest, ScoresFallAlongTheList) {
    const auto file = upload("# A\nRed apples grow on trees.\n# B\nApples are sold in boxes.\n# C\nThe sea is blue.\n# D\nTrees grow slowly.");
    const auto store = make_store({file.id});
    ingest_all();
    const auto found = search(store.id, "red apples on trees").value();
    ASSERT_GE(found.passages.size(), 3U);
    for (std::size_t i = 1; i < found.passages.size(); ++i) EXPECT_LE(found.passages[i].score, found.passages[i - 1].score);
}

TEST_F(RetrieverTest, FiltersAreMandatory) {
    const auto a = upload("The report speaks about revenue.", "a.txt");
    const auto b = upload("The report speaks about revenue too.", "b.txt");
    VectorStoreService::NewStore wanted;
    wanted.project = "proj_a";
    wanted.files = {{a.id, json::object{{"year", 2023}}, {}}, {b.id, json::object{{"year", 2024}}, {}}};
    const auto store = run_blocking(stores_->create(wanted)).value();
    ingest_all();
    SearchRequest request;
    request.store_id = store.id;
    request.queries = {"revenue report"};
    request.filter = AttributeFilter::parse(json::parse(R"({"type":"gte","key":"year","value":2024})").value()).value();
    const auto found = search_with(request).value();
    ASSERT_EQ(found.passages.size(), 1U);
    EXPECT_EQ(found.passages[0].chunk.file_id, b.id);
    EXPECT_EQ(found.passages[0].attributes.at("year").as_int64(), 2024);
    // Changed attributes count at once.
    ASSERT_TRUE(run_blocking(stores_->set_attributes("proj_a", store.id, a.id, json::object{{"year", 2025}})));
    EXPECT_EQ(search_with(request).value().passages.size(), 2U);
}

TEST_F(RetrieverTest, SeveralQueriesAreMergedWithoutRepeats) {
    const auto file = upload("# A\nCats sleep all day.\n# B\nDogs bark at night.");
    const auto store = make_store({file.id});
    ingest_all();
    SearchRequest request;
    request.store_id = store.id;
    request.queries = {"cats sleep", "dogs bark", "cats"};
    const auto found = search_with(request).value();
    EXPECT_EQ(found.passages.size(), 2U);
}

TEST_F(RetrieverTest, WithoutTheModelWordsStillFind) {
    const auto file = upload("Otters hold hands while they sleep.");
    const auto store = make_store({file.id});
    ingest_all();
    models_.fail_embeddings = 1;
    const auto found = search(store.id, "otters").value();
    EXPECT_TRUE(found.words_only);
    EXPECT_FALSE(found.warning.empty());
    ASSERT_EQ(found.passages.size(), 1U);
    EXPECT_FALSE(found.passages[0].dense);
    EXPECT_GT(found.passages[0].score, 0.5);
}

TEST_F(RetrieverTest, NoQueryVectorWithoutItsCalibration) {
    const auto file = upload("Otters hold hands while they sleep.");
    const auto store = make_store({file.id});
    ingest_all();
    models_.after_embed = [this] { models_.fail_embeddings = 1; };  // the query is embedded, the calibration is not
    const auto found = search(store.id, "otters").value();
    EXPECT_TRUE(found.words_only);
    EXPECT_TRUE(found.query_vector.empty()) << "evidence would be weighed with the similarities of another model";
}

TEST_F(RetrieverTest, EmptyStoreFindsNothing) {
    const auto store = make_store({});
    EXPECT_TRUE(search(store.id, "anything").value().passages.empty());
    EXPECT_EQ(models_.embed_calls, 0);
}

TEST_F(RetrieverTest, ThresholdAndLimitCut) {
    const auto file = upload("# A\nOtters swim.\n# B\nThe stock market fell.\n# C\nOtters eat fish.");
    const auto store = make_store({file.id});
    ingest_all();
    SearchRequest request;
    request.store_id = store.id;
    request.queries = {"otters"};
    request.limit = 1;
    EXPECT_EQ(search_with(request).value().passages.size(), 1U);
    request.limit = 10;
    request.score_threshold = 0.3;
    const auto found = search_with(request).value();
    for (const auto& passage : found.passages) EXPECT_THAT(passage.chunk.text, ::testing::HasSubstr("Otters"));
}

TEST_F(RetrieverTest, IndexFollowsChangesOfAnotherProcess) {
    const auto first = upload("Otters swim.");
    const auto store = make_store({first.id});
    ingest_all();
    EXPECT_EQ(search(store.id, "otters").value().passages.size(), 1U);
    // The other process: services of its own on the same database.
    IndexCache other_cache(*database_);
    auto other = other_cache.acquire(store.id).value();
    EXPECT_EQ(other->size(), 1U);
    const auto second = upload("Otters eat fish.");
    ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {second.id, {}, {}})));
    ingest_all();
    other = other_cache.acquire(store.id).value();
    EXPECT_EQ(other->size(), 2U);
    // One removed, one added: the number stays, the content does not.
    ASSERT_TRUE(run_blocking(stores_->remove_file("proj_a", store.id, first.id)));
    const auto third = upload("Otters play.");
    ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {third.id, {}, {}})));
    ingest_all();
    other = other_cache.acquire(store.id).value();
    EXPECT_EQ(other->size(), 2U);
    const auto hits = other->search({}, "otters play eat", {}, 10).value();
    EXPECT_EQ(hits.size(), 2U);
    ASSERT_TRUE(run_blocking(stores_->remove("proj_a", store.id)));
    EXPECT_EQ(other_cache.acquire(store.id).error().code(), Code::kNotFound);
    EXPECT_EQ(other_cache.size(), 0U);
}

TEST_F(RetrieverTest, CacheForgetsTheStoreUnusedLongest) {
    std::vector<std::string> stores;
    for (int i = 0; i < 3; ++i) {
        stores.push_back(make_store({upload("text number " + std::to_string(i)).id}).id);
    }
    ingest_all();
    IndexCache small(*database_, 2, 1000);
    const auto first = small.acquire(stores[0]).value();
    ASSERT_TRUE(small.acquire(stores[1]));
    ASSERT_TRUE(small.acquire(stores[0]));
    ASSERT_TRUE(small.acquire(stores[2]));
    EXPECT_EQ(small.size(), 2U);
    EXPECT_EQ(small.acquire(stores[0]).value(), first) << "used recently, still there";
    IndexCache few_chunks(*database_, 10, 1);
    ASSERT_TRUE(few_chunks.acquire(stores[0]));
    ASSERT_TRUE(few_chunks.acquire(stores[1]));
    EXPECT_EQ(few_chunks.size(), 1U);
    IndexCache none(*database_, 10, 0);
    EXPECT_EQ(none.acquire(stores[0]).error().reason(), "vector_store_too_large");
    EXPECT_EQ(none.size(), 0U);
}

TEST_F(RetrieverTest, SearchesWhileFilesComeAndGo) {
    const auto stable = upload("Otters swim.");
    const auto store = make_store({stable.id});
    ingest_all();
    const auto index = cache_->acquire(store.id).value();
    std::atomic<bool> stop = false;
    std::thread reader([&] {
        while (!stop) {
            const auto hits = index->search(FakeModels::vector_of("otters", FakeModels::kDimensions), "otters", {}, 10);
            EXPECT_TRUE(hits);
            EXPECT_GE(hits->size(), 1U);
        }
    });
    for (int i = 0; i < 5; ++i) {
        const auto file = upload("Otters number " + std::to_string(i));
        ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {file.id, {}, {}})));
        ingest_all();
        ASSERT_TRUE(index->refresh(*database_));
        ASSERT_TRUE(run_blocking(stores_->remove_file("proj_a", store.id, file.id)));
        ASSERT_TRUE(index->refresh(*database_));
    }
    stop = true;
    reader.join();
    EXPECT_EQ(index->size(), 1U);
}

TEST(CalibrationTest, NormalisesBetweenUnrelatedAndRelated) {
    FakeModels models;
    Calibrator calibrator(models);
    const auto calibration = run_blocking(calibrator.of({}, "m")).value();
    EXPECT_GT(calibration.related, calibration.unrelated);
    EXPECT_EQ(calibration.normalise(-1), 0);
    EXPECT_EQ(calibration.normalise(1), 1);
    EXPECT_EQ(models.embed_calls, 2);
    ASSERT_TRUE(run_blocking(calibrator.of({}, "m")));
    EXPECT_EQ(models.embed_calls, 2) << "measured once";
    models.fail_embeddings = 1;
    EXPECT_FALSE(run_blocking(calibrator.of({}, "other")));
    EXPECT_TRUE(run_blocking(calibrator.of({}, "other")));
}

}  // namespace
}  // namespace atrium::app::testing
