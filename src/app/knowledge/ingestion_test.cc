#include "app/knowledge/ingestion.h"

#include <set>

#include "app/knowledge/knowledge_fixture.h"

namespace atrium::app::testing {
namespace {

/// Enough text for several embedding batches of two.
std::string long_text(int paragraphs) {
    std::string text;
    for (int i = 0; i < paragraphs; ++i) {
        text += "# Section " + std::to_string(i) + "\nParagraph number " + std::to_string(i) + " speaks about topic" + std::to_string(i) + ".\n";
    }
    return text;
}

class IngestionTest : public KnowledgeTest {
protected:
    IngestionTest() {
        options_.batch_size = 2;
        restart();
    }
    /// No passage twice, none without a vector, ordinals without gaps.
    void expect_whole(const std::string& store, const std::string& file, std::size_t chunks) {
        const auto rows = database_->read_now<std::vector<sql::Row>>([&](sql::Session& session) {
            return session.query("SELECT ordinal, embedding FROM chunks WHERE store_id = :s AND file_id = :f ORDER BY ordinal",
                                 {{"s", store}, {"f", file}});
        }).value();
        ASSERT_EQ(rows.size(), chunks);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            EXPECT_EQ(rows[i].integer("ordinal"), static_cast<std::int64_t>(i));
            EXPECT_FALSE(rows[i].is_null("embedding"));
        }
    }
};

TEST_F(IngestionTest, FileBecomesSearchable) {
    const auto file = upload(long_text(5));
    const auto store = make_store({file.id});
    ASSERT_TRUE(ingest_one());
    const auto done = store_file(store.id, file.id);
    EXPECT_EQ(done.status, "completed");
    EXPECT_EQ(done.stage, "indexed");
    EXPECT_EQ(done.progress, 1);
    EXPECT_EQ(done.chunks, 5);
    EXPECT_EQ(done.language, "en");
    EXPECT_GT(done.usage_bytes, 0);
    expect_whole(store.id, file.id, 5);
    EXPECT_FALSE(ingest_one());
    const auto pinned = run_blocking(stores_->get("proj_a", store.id)).value();
    EXPECT_EQ(pinned.embedding_model, "fake-embed");
    EXPECT_EQ(pinned.dimensions, 64);
    EXPECT_THAT(models_.embedded_texts.front(), ::testing::HasSubstr("Section 0")) << "embedded with its heading";
}

TEST_F(IngestionTest, PermanentFailuresSayWhy) {
    const auto broken = upload("BROKEN");
    const auto strange = upload("STRANGE");
    const auto blank = upload("\n\n");
    const auto store = make_store({broken.id, strange.id, blank.id});
    ingest_all();
    const auto a = store_file(store.id, broken.id);
    EXPECT_EQ(a.status, "failed");
    EXPECT_EQ(a.stage, "failed");
    EXPECT_EQ(a.error_code, "invalid_file");
    EXPECT_EQ(a.error_message, "the file could not be read");
    EXPECT_EQ(store_file(store.id, strange.id).error_code, "unsupported_file");
    EXPECT_EQ(store_file(store.id, blank.id).error_code, "invalid_file");
    EXPECT_EQ(run_blocking(stores_->get("proj_a", store.id)).value().file_counts.failed, 3);
}

TEST_F(IngestionTest, EngineOutageWaitsAndResumes) {
    const auto file = upload(long_text(5));
    const auto store = make_store({file.id});
    models_.fail_embeddings = 12;
    int rounds = 0;
    for (; rounds < 100 && store_file(store.id, file.id).status == "in_progress"; ++rounds) {
        ingest_one();
        clock_.advance(std::chrono::seconds(16));
    }
    EXPECT_EQ(store_file(store.id, file.id).status, "completed") << "an outage longer than max_attempts is no failure";
    EXPECT_GT(rounds, 12);
    expect_whole(store.id, file.id, 5);
}

TEST_F(IngestionTest, RetriesBackOff) {
    const auto file = upload("BUSY");
    make_store({file.id});
    ASSERT_TRUE(ingest_one());
    EXPECT_FALSE(ingest_one()) << "not at once";
    clock_.advance(options_.first_retry);
    EXPECT_TRUE(ingest_one());
    clock_.advance(options_.first_retry);
    EXPECT_FALSE(ingest_one()) << "the second wait is longer";
    clock_.advance(options_.first_retry);
    EXPECT_TRUE(ingest_one());
}

TEST_F(IngestionTest, KilledBetweenBatchesGoesOnWhereItWas) {
    const auto file = upload(long_text(7));
    const auto store = make_store({file.id});
    // The process dies with the third batch embedded but not stored: the coroutine is abandoned there.
    int batches = 0;
    models_.after_embed = [&] {
        if (++batches == 3) throw std::runtime_error("killed");
    };
    EXPECT_ANY_THROW(run_blocking(ingestor_->run_one({})));
    models_.after_embed = nullptr;
    const auto half = store_file(store.id, file.id);
    EXPECT_EQ(half.status, "in_progress");
    EXPECT_EQ(half.stage, "embedding");
    EXPECT_TRUE(search(store.id, "topic1").value().passages.empty()) << "half a file is not searchable";
    models_.embedded_texts.clear();
    restart();
    ASSERT_TRUE(ingest_one());
    expect_whole(store.id, file.id, 7);
    std::size_t passages = 0;
    for (const auto& text : models_.embedded_texts) passages += text.find("Paragraph number") != std::string::npos ? 1 : 0;
    EXPECT_EQ(passages, 3U) << "four were stored before";
    EXPECT_EQ(store_file(store.id, file.id).status, "completed");
}

TEST_F(IngestionTest, KilledAtEveryStepLosesAndDoublesNothing) {
    for (int deadly = 1;; ++deadly) {
        const auto file = upload(long_text(4) + std::to_string(deadly));
        const auto store = make_store({file.id});
        int step = 0;
        bool died = false;
        const auto maybe_die = [&] {
            if (++step == deadly) {
                died = true;
                throw std::runtime_error("killed");
            }
        };
        models_.after_embed = maybe_die;
        // Before and after the parser: both are moments without a transaction open.
        parse_ = [&](std::string name, std::string bytes, StopToken stop) {
            maybe_die();
            auto task = parse_lines(std::move(name), std::move(bytes), stop);
            maybe_die();
            return task;
        };
        restart();
        try {
            run_blocking(ingestor_->run_one({})).value();
        } catch (const std::exception&) {
        }
        models_.after_embed = nullptr;
        parse_ = parse_lines;
        restart();
        ingest_all();
        const auto done = store_file(store.id, file.id);
        EXPECT_EQ(done.status, "completed") << deadly;
        expect_whole(store.id, file.id, static_cast<std::size_t>(done.chunks));
        if (!died) break;
        ASSERT_LT(deadly, 20);
    }
}

TEST_F(IngestionTest, FileThatKillsTheProcessIsGivenUp) {
    const auto file = upload("poison");
    const auto store = make_store({file.id});
    parse_ = [](std::string, std::string, StopToken) -> Task<Result<data::ParsedDocument>> { throw std::runtime_error("killed"); };
    int deaths = 0;
    for (int i = 0; i < 20 && store_file(store.id, file.id).status == "in_progress"; ++i) {
        restart();
        try {
            run_blocking(ingestor_->run_one({})).value();
        } catch (const std::exception&) {
            ++deaths;
        }
    }
    EXPECT_EQ(deaths, options_.max_attempts);
    const auto failed = store_file(store.id, file.id);
    EXPECT_EQ(failed.status, "failed");
    EXPECT_EQ(failed.error_code, "server_error");
}

TEST_F(IngestionTest, RemovedWhileEmbeddingLeavesNothingBehind) {
    const auto file = upload(long_text(5));
    const auto store = make_store({file.id});
    models_.after_embed = [&, done = false]() mutable {
        if (done) return;
        done = true;
        ASSERT_TRUE(database_->write_now<void>([&](sql::Session& session) -> Result<> {
            TRY(session.execute("DELETE FROM chunks WHERE file_id = :f", {{"f", file.id}}));
            TRY(session.execute("DELETE FROM vector_store_files WHERE file_id = :f", {{"f", file.id}}));
            return {};
        }));
    };
    EXPECT_TRUE(ingest_one());
    EXPECT_EQ(count("chunks"), 0);
    EXPECT_EQ(count("vector_store_files"), 0);
    EXPECT_FALSE(ingest_one());
}

TEST_F(IngestionTest, LostLeaseFencesTheSlowWorker) {
    const auto file = upload(long_text(5));
    const auto store = make_store({file.id});
    Ingestor other(*database_, *blobs_, models_, pool_, clock_, parse_lines, options_);
    models_.after_embed = [&, done = false]() mutable {
        if (done) return;
        done = true;
        clock_.advance(options_.lease * 2);
        EXPECT_TRUE(run_blocking(other.run_one({})).value()) << "the lease ran out, somebody else takes over";
    };
    EXPECT_TRUE(ingest_one());
    EXPECT_EQ(store_file(store.id, file.id).status, "completed");
    expect_whole(store.id, file.id, 5);
}

TEST_F(IngestionTest, ProjectsTakeTurns) {
    std::vector<std::string> many;
    for (int i = 0; i < 4; ++i) many.push_back(upload("a" + std::to_string(i)).id);
    const auto big = make_store(many);
    clock_.advance(std::chrono::seconds(1));
    const auto late = upload("b", "b.txt", "proj_b");
    const auto small = make_store({late.id}, "proj_b");
    ASSERT_TRUE(ingest_one());
    ASSERT_TRUE(ingest_one());
    EXPECT_EQ(store_file(small.id, late.id, "proj_b").status, "completed") << "not behind all of the other project's";
}

TEST_F(IngestionTest, TextsTheModelRefusesAreShortened) {
    std::string paragraph;
    for (int i = 0; i < 60; ++i) paragraph += "word" + std::to_string(i) + " ";
    const auto file = upload(paragraph + ".\n");
    const auto store = make_store({file.id});
    models_.longest_text = 200;
    ingest_all();
    EXPECT_EQ(store_file(store.id, file.id).status, "completed");
    expect_whole(store.id, file.id, 1);
}

TEST_F(IngestionTest, AnotherDimensionIsRefused) {
    const auto first = upload("one");
    const auto store = make_store({first.id});
    ingest_all();
    models_.dimensions = 32;
    const auto second = upload("two");
    ASSERT_TRUE(run_blocking(stores_->add_file("proj_a", store.id, {second.id, {}, {}})));
    ingest_all();
    const auto failed = store_file(store.id, second.id);
    EXPECT_EQ(failed.status, "failed");
    EXPECT_THAT(failed.error_message, ::testing::HasSubstr("32 dimensions"));
}

TEST_F(IngestionTest, LostBlobIsAServerError) {
    const auto file = upload("bytes");
    const auto store = make_store({file.id});
    ASSERT_TRUE(blobs_->remove({file.sha256, 5}));
    ingest_all();
    EXPECT_EQ(store_file(store.id, file.id).error_code, "server_error");
}

TEST_F(IngestionTest, ARowWhoseFileIsGoneDoesNotStopTheQueue) {
    const auto lost = upload("lost");
    const auto kept = upload("kept");
    const auto store = make_store({lost.id, kept.id});
    ASSERT_TRUE(database_->write_now<void>([&](sql::Session& session) -> Result<> {
        TRY(session.execute("UPDATE vector_store_files SET created_at = 0 WHERE file_id = :id", {{"id", lost.id}}));
        TRY(session.execute("DELETE FROM files WHERE id = :id", {{"id", lost.id}}));
        return {};
    }));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(run_blocking(ingestor_->run_one({})));
    EXPECT_EQ(store_file(store.id, kept.id).status, "completed");
    EXPECT_EQ(count("vector_store_files"), 1);
}

TEST_F(IngestionTest, WorkersRunUntilStopped) {
    const auto file = upload(long_text(3));
    const auto store = make_store({file.id});
    Runtime runtime(1);
    ingestor_->start(runtime.context(0));
    struct Script {
        static Task<> run(IngestionTest* test, Runtime* running, std::string store_id, std::string file_id) {
            for (int i = 0; i < 400; ++i) {
                const auto file_row = co_await test->stores_->get_file("proj_a", store_id, file_id);
                if (file_row && file_row->status == "completed") break;
                co_await sleep_for(std::chrono::milliseconds(5));
            }
            // New work wakes the sleeping workers.
            VectorStoreService::NewFile again{file_id, {}, ChunkingStrategy{false, 150, 0}};
            EXPECT_TRUE(co_await test->stores_->add_file("proj_a", store_id, again));
            test->ingestor_->notify();
            for (int i = 0; i < 400; ++i) {
                const auto file_row = co_await test->stores_->get_file("proj_a", store_id, file_id);
                if (file_row && file_row->status == "completed") break;
                co_await sleep_for(std::chrono::milliseconds(5));
            }
            co_await test->ingestor_->stop();
            running->stop();
        }
    };
    spawn(runtime.context(0), Script::run(this, &runtime, store.id, file.id));
    runtime.run();
    EXPECT_EQ(store_file(store.id, file.id).status, "completed");
}

}  // namespace
}  // namespace atrium::app::testing
