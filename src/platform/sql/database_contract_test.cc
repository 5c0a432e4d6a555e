#include "platform/sql/database.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <thread>

#include "base/id.h"
#include "platform/sql/test_postgresql.h"

namespace atrium::sql {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

/// One server for all tests; each test gets a schema of its own.
TestPostgresql* postgresql(std::string& why_not) {
    static std::string reason;
    static std::unique_ptr<TestPostgresql> server = TestPostgresql::start(reason);
    why_not = reason;
    return server.get();
}

constexpr Migration kThings{1, "things", R"(
    CREATE TABLE things (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        size BIGINT,
        weight DOUBLE PRECISION);
    CREATE TABLE parts (
        number {{bigserial}} PRIMARY KEY,
        thing TEXT NOT NULL REFERENCES things (id) ON DELETE CASCADE,
        label TEXT);
)"};

/// The same cases against every database there is.
class DatabaseContract : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (GetParam() == "sqlite_file") {
            std::string pattern = (fs::temp_directory_path() / "atrium-sql-XXXXXX").string();
            folder_ = ::mkdtemp(pattern.data());
            url_ = "sqlite://" + (folder_ / "a b=c.db").string();
        } else if (GetParam() == "sqlite_memory") {
            url_ = "sqlite://:memory:";
        } else {
            std::string why_not;
            auto* server = postgresql(why_not);
            if (server == nullptr) GTEST_SKIP() << why_not;
            const std::string schema = new_id("s");
            auto admin = Database::open(server->url(), 1).value();
            ASSERT_TRUE(admin->write_now<void>([&](Session& session) -> Result<> {
                TRY(session.execute("CREATE SCHEMA " + schema));
                return {};
            }));
            url_ = server->url() + "&options=-csearch_path%3D" + schema;
        }
        auto opened = Database::open(url_, 2);
        ASSERT_TRUE(opened) << opened.error().to_string();
        db_ = std::move(*opened);
        const auto migrated = db_->migrate(std::span(&kThings, 1));
        ASSERT_TRUE(migrated) << migrated.error().to_string();
    }
    void TearDown() override {
        db_.reset();
        if (!folder_.empty()) fs::remove_all(folder_);
    }

    Result<std::int64_t> execute(std::string sql, Params params = {}) {
        return db_->write_now<std::int64_t>([&](Session& session) { return session.execute(sql, params); });
    }
    /// The only row; aborts the test otherwise.
    Row one(std::string sql, Params params = {}) {
        auto row = db_->read_now<std::optional<Row>>([&](Session& session) { return session.query_one(sql, params); });
        EXPECT_TRUE(row) << row.error().to_string();
        return row.value().value();
    }
    Result<> insert(std::string id, std::string name) {
        TRY(execute("INSERT INTO things (id, name) VALUES (:id, :name)", {{"id", id}, {"name", name}}));
        return {};
    }
    std::int64_t count() { return one("SELECT count(*) AS n FROM things").integer("n"); }

    fs::path folder_;
    std::string url_;
    std::unique_ptr<Database> db_;
};

TEST_P(DatabaseContract, KeepsEveryTypeExactly) {
    const std::string text = "中庭 ' \" \\ : :x {{y}} -- 😀";
    constexpr std::int64_t kLarge = 9'007'199'254'740'993;  // not a double
    ASSERT_TRUE(execute("INSERT INTO things (id, name, size, weight) VALUES (:id, :name, :size, :weight)",
                        {{"id", "a"}, {"name", text}, {"size", kLarge}, {"weight", 0.1}}));
    ASSERT_TRUE(execute("INSERT INTO things (id, name, size, weight) VALUES (:id, :name, :size, :weight)",
                        {{"id", "b"}, {"name", ""}, {"size", nullptr}, {"weight", std::optional<double>()}}));
    const Row a = one("SELECT * FROM things WHERE id = :id", {{"id", "a"}});
    EXPECT_EQ(a.text("name"), text);
    EXPECT_EQ(std::get<std::int64_t>(a.value("size")), kLarge);
    EXPECT_EQ(std::get<double>(a.value("weight")), 0.1);
    const Row b = one("SELECT * FROM things WHERE id = :id", {{"id", "b"}});
    EXPECT_EQ(std::get<std::string>(b.value("name")), "");
    EXPECT_TRUE(b.is_null("size"));
    EXPECT_EQ(b.optional_integer("size"), std::nullopt);
    EXPECT_EQ(b.number("weight"), 0);
}

TEST_P(DatabaseContract, ADoubleColumnKeepsWholeNumbersAndExtremes) {
    for (const double weight : {3.0, -0.0, 1e308, 5e-324, 1e15, 1.0 / 3}) {
        const std::string id = new_id("w");
        ASSERT_TRUE(execute("INSERT INTO things (id, name, weight) VALUES (:id, :id2, :w)",
                            {{"id", id}, {"id2", id}, {"w", weight}}));
        EXPECT_EQ(std::get<double>(one("SELECT weight FROM things WHERE id = :id", {{"id", id}}).value("weight")), weight);
    }
    for (const std::int64_t size : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
        const std::string id = new_id("s");
        ASSERT_TRUE(execute("INSERT INTO things (id, name, size) VALUES (:id, :id2, :s)", {{"id", id}, {"id2", id}, {"s", size}}));
        EXPECT_EQ(one("SELECT size FROM things WHERE id = :id", {{"id", id}}).integer("size"), size);
    }
}

TEST_P(DatabaseContract, ExpressionsHaveTheirTypes) {
    const Row empty = one("SELECT count(*) AS n, max(size) AS m, coalesce(sum(size), 0) AS s FROM things");
    EXPECT_EQ(std::get<std::int64_t>(empty.value("n")), 0);
    EXPECT_TRUE(empty.is_null("m"));
    EXPECT_EQ(empty.integer("s"), 0);

    // The first row is NULL in size: the type must not be decided by it.
    ASSERT_TRUE(execute("INSERT INTO things (id, name) VALUES ('a', 'a')"));
    ASSERT_TRUE(execute("INSERT INTO things (id, name, size, weight) VALUES ('b', 'b', 3, 1.5), ('c', 'c', 4, 2.5)"));
    const auto rows = db_->read_now<std::vector<Row>>([](Session& session) {
        return session.query("SELECT size, size * 2 AS twice, name || '!' AS loud FROM things ORDER BY id");
    });
    ASSERT_EQ(rows->size(), 3u);
    EXPECT_TRUE((*rows)[0].is_null("twice"));
    EXPECT_EQ(std::get<std::int64_t>((*rows)[1].value("twice")), 6);
    EXPECT_EQ((*rows)[2].text("loud"), "c!");

    const Row sums = one("SELECT count(*) AS n, count(size) AS sized, max(size) AS m, sum(size) AS s, avg(size) AS a, "
                         "sum(weight) AS w, coalesce(max(name), '') AS t, 1 AS one, 'x' AS x, 1.5 AS f, 1 < 2 AS yes, "
                         "CAST(NULL AS TEXT) AS absent FROM things");
    EXPECT_EQ(sums.integer("n"), 3);
    EXPECT_EQ(sums.integer("sized"), 2);
    EXPECT_EQ(sums.integer("m"), 4);
    EXPECT_EQ(sums.integer("s"), 7);
    EXPECT_EQ(sums.number("s"), 7.0);
    EXPECT_EQ(sums.number("a"), 3.5);
    EXPECT_EQ(sums.number("w"), 4.0);
    EXPECT_EQ(sums.integer("w"), 4);
    EXPECT_EQ(sums.text("t"), "c");
    EXPECT_EQ(sums.integer("one"), 1);
    EXPECT_EQ(sums.text("x"), "x");
    EXPECT_EQ(sums.number("f"), 1.5);
    EXPECT_EQ(sums.integer("yes"), 1);
    EXPECT_TRUE(sums.is_null("absent"));
}

TEST_P(DatabaseContract, CountsChangesAndReturnsGeneratedNumbers) {
    ASSERT_TRUE(insert("a", "a"));
    ASSERT_TRUE(insert("b", "b"));
    EXPECT_EQ(execute("UPDATE things SET size = 1").value(), 2);
    EXPECT_EQ(execute("UPDATE things SET size = 2 WHERE id = 'none'").value(), 0);
    EXPECT_EQ(execute("INSERT INTO things (id, name) VALUES ('a', 'z') ON CONFLICT DO NOTHING").value(), 0);
    const auto number = db_->write_now<std::int64_t>([](Session& session) -> Result<std::int64_t> {
        TRY(session.execute("INSERT INTO parts (thing, label) VALUES ('a', 'x')"));
        TRY_ASSIGN(auto row, session.query_one("INSERT INTO parts (thing) VALUES ('a') RETURNING number"));
        return row->integer("number");
    });
    EXPECT_EQ(number.value(), 2);
    EXPECT_EQ(execute("DELETE FROM things WHERE id = 'a'").value(), 1);
    EXPECT_EQ(one("SELECT count(*) AS n FROM parts").integer("n"), 0) << "foreign keys cascade";
}

TEST_P(DatabaseContract, StatementsAreReusedWithOtherTypesAndRepeatedNames) {
    for (int round = 0; round < 3; ++round) {
        const Value size = round == 1 ? Value(nullptr) : Value(std::int64_t{round});
        Params params{{"id", "i" + std::to_string(round)}, {"name", "n" + std::to_string(round)}, {"size", nullptr}};
        params[2].value = size;
        ASSERT_TRUE(execute("INSERT INTO things (id, name, size) VALUES (:id, :name, :size)", params));
    }
    EXPECT_EQ(one("SELECT count(*) AS n FROM things WHERE id = :x OR name = :x", {{"x", "i0"}}).integer("n"), 1);
    EXPECT_EQ(one("SELECT count(*) AS n FROM things WHERE id = :x OR name = :x", {{"x", "n2"}}).integer("n"), 1);
    EXPECT_EQ(one("SELECT count(*) AS n FROM things WHERE size IS NULL").integer("n"), 1);
}

TEST_P(DatabaseContract, FailuresHaveTheirCodes) {
    ASSERT_TRUE(insert("a", "same"));
    const auto duplicate = insert("b", "same");
    EXPECT_EQ(duplicate.error().code(), Code::kAlreadyExists);
    EXPECT_THAT(duplicate.error().message(), Not(HasSubstr("things"))) << "the message is for clients";
    EXPECT_EQ(insert("a", "other").error().code(), Code::kAlreadyExists);
    EXPECT_EQ(execute("INSERT INTO parts (thing) VALUES ('none')").error().code(), Code::kFailedPrecondition);
    EXPECT_EQ(execute("INSERT INTO things (id) VALUES ('c')").error().code(), Code::kInvalidArgument);
    EXPECT_EQ(execute("SELEKT 1").error().code(), Code::kInternal);
    EXPECT_EQ(execute("SELECT * FROM nowhere").error().code(), Code::kInternal);
    EXPECT_EQ(count(), 1) << "and everything still works";
}

TEST_P(DatabaseContract, RefusesValuesThatDatabasesTreatDifferently) {
    EXPECT_EQ(insert("a", std::string("cut\0here", 8)).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(insert("a", "\xff\xfe").error().code(), Code::kInvalidArgument);
    EXPECT_EQ(execute("INSERT INTO things (id, name, weight) VALUES ('a', 'a', :w)", {{"w", std::nan("")}}).error().code(),
              Code::kInvalidArgument);
    EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContract, ChecksParameterNames) {
    EXPECT_THAT(execute("INSERT INTO things (id, name) VALUES (:id, :name)", {{"id", "a"}}).error().to_string(),
                HasSubstr("no value for ':name'"));
    EXPECT_THAT(execute("DELETE FROM things", {{"id", "a"}}).error().to_string(), HasSubstr("no place for ':id'"));
    EXPECT_THAT(execute("DELETE FROM things WHERE id = :id", {{"id", "a"}, {"id", "b"}}).error().to_string(),
                HasSubstr("several values"));
}

TEST_P(DatabaseContract, RollsBackOnErrorAndException) {
    const auto refused = db_->write_now<void>([](Session& session) -> Result<> {
        TRY(session.execute("INSERT INTO things (id, name) VALUES ('a', 'a')"));
        return fail(failed_precondition("changed my mind"));
    });
    EXPECT_EQ(refused.error().message(), "changed my mind");
    const auto thrown = db_->write_now<void>([](Session& session) -> Result<> {
        TRY(session.execute("INSERT INTO things (id, name) VALUES ('a', 'a')"));
        throw std::runtime_error("oh");
    });
    EXPECT_EQ(thrown.error().code(), Code::kInternal);
    EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContract, AFailedStatementDoomsItsTransaction) {
    ASSERT_TRUE(insert("a", "a"));
    const auto swallowed = db_->write_now<int>([](Session& session) -> Result<int> {
        TRY(session.execute("INSERT INTO things (id, name) VALUES ('b', 'b')"));
        EXPECT_FALSE(session.execute("INSERT INTO things (id, name) VALUES ('a', 'x')"));
        EXPECT_FALSE(session.query("SELECT * FROM things"));
        return 1;
    });
    EXPECT_EQ(swallowed.error().code(), Code::kAlreadyExists);
    EXPECT_EQ(count(), 1);
    const auto translated = db_->write_now<int>([](Session& session) -> Result<int> {
        if (!session.execute("INSERT INTO things (id, name) VALUES ('a', 'x')")) return fail(already_exists("the name is taken"));
        return 1;
    });
    EXPECT_EQ(translated.error().message(), "the name is taken");
}

TEST_P(DatabaseContract, ReadersMayNotWrite) {
    const auto refused = db_->read_now<std::int64_t>(
        [](Session& session) { return session.execute("INSERT INTO things (id, name) VALUES ('a', 'a')"); });
    EXPECT_EQ(refused.error().code(), Code::kInternal);
    EXPECT_TRUE(insert("a", "a"));
    EXPECT_EQ(count(), 1);
}

TEST_P(DatabaseContract, RefusesNesting) {
    const auto nested = db_->write_now<void>([this](Session&) -> Result<> {
        TRY(db_->read_now<std::int64_t>([](Session&) -> Result<std::int64_t> { return 1; }));
        return {};
    });
    EXPECT_EQ(nested.error().code(), Code::kInternal);
}

TEST_P(DatabaseContract, QueryOneStopsAtTheFirstRow) {
    ASSERT_TRUE(execute("INSERT INTO things (id, name) VALUES ('a', 'a'), ('b', 'b'), ('c', 'c')"));
    EXPECT_EQ(one("SELECT id FROM things ORDER BY id").text("id"), "a");
    const auto none = db_->read_now<std::optional<Row>>(
        [](Session& session) { return session.query_one("SELECT id FROM things WHERE id = 'x'"); });
    EXPECT_FALSE(none.value().has_value());
    EXPECT_EQ(execute("DELETE FROM things").value(), 3) << "no reader holds a lock";
}

TEST_P(DatabaseContract, LikeAndOrderAreTheSame) {
    ASSERT_TRUE(execute("INSERT INTO things (id, name) VALUES ('1', 'Zebra'), ('2', 'apple'), ('3', 'Äpfel')"));
    EXPECT_EQ(one("SELECT count(*) AS n FROM things WHERE name LIKE 'z%'").integer("n"), 0);
    EXPECT_EQ(one("SELECT name FROM things ORDER BY name {{collate_bytes}} LIMIT 1").text("name"), "Zebra");
    EXPECT_EQ(one("SELECT {{greatest}}(1, 2) AS g").integer("g"), 2);
}

TEST_P(DatabaseContract, WritersLoseNoUpdate) {
    ASSERT_TRUE(execute("INSERT INTO things (id, name, size) VALUES ('a', 'a', 0)"));
    std::vector<std::jthread> threads;
    std::atomic<int> failures{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 25; ++i) {
                const auto done = db_->write_now<void>([](Session& session) -> Result<> {
                    TRY_ASSIGN(auto row, session.query_one("SELECT size FROM things WHERE id = 'a' {{for_update}}"));
                    TRY(session.execute("UPDATE things SET size = :n WHERE id = 'a'", {{"n", row->integer("size") + 1}}));
                    return {};
                });
                if (!done) ++failures;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(one("SELECT size FROM things").integer("size"), 100);
}

TEST_P(DatabaseContract, DeadlocksAreRetried) {
    ASSERT_TRUE(execute("INSERT INTO things (id, name, size) VALUES ('a', 'a', 0), ('b', 'b', 0)"));
    std::vector<std::jthread> threads;
    std::atomic<int> failures{0};
    for (const bool forward : {true, false}) {
        threads.emplace_back([&, forward] {
            for (int i = 0; i < 5; ++i) {
                const auto done = db_->write_now<void>([&](Session& session) -> Result<> {
                    constexpr auto kUpdate = "UPDATE things SET size = size + 1 WHERE id = :id";
                    TRY(session.execute(kUpdate, {{"id", forward ? "a" : "b"}}));
                    std::this_thread::sleep_for(std::chrono::milliseconds(5));
                    TRY(session.execute(kUpdate, {{"id", forward ? "b" : "a"}}));
                    return {};
                });
                if (!done) ++failures;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(one("SELECT sum(size) AS s FROM things").integer("s"), 20);
}

Task<Result<std::string>> insert_and_read(Database& db) {
    CO_TRY(co_await db.write<std::int64_t>([](Session& session) {
        return session.execute("INSERT INTO things (id, name) VALUES ('a', 'awaited')");
    }));
    CO_TRY(co_await db.write<void>([](Session&) -> Result<> { return {}; }));
    co_return co_await db.read<std::string>([](Session& session) -> Result<std::string> {
        TRY_ASSIGN(auto row, session.query_one("SELECT name FROM things WHERE id = :id", {{"id", "a"}}));
        return row->text("name");
    });
}

TEST_P(DatabaseContract, CanBeAwaited) {
    EXPECT_EQ(run_blocking(insert_and_read(*db_)).value(), "awaited");
}

TEST_P(DatabaseContract, WritesThatWaitTogetherFailAlone) {
    std::atomic<int> runs = 0;
    std::atomic<bool> release = false;
    std::vector<Result<std::int64_t>> results(12, Result<std::int64_t>(0));
    struct Script {
        static Task<> write(Database* db, int i, std::atomic<int>* runs, std::atomic<bool>* release, Result<std::int64_t>* out) {
            *out = co_await db->write<std::int64_t>([=](Session& session) -> Result<std::int64_t> {
                while (!release->load()) std::this_thread::yield();  // until the others stand in the queue
                ++*runs;
                if (i == 7) throw std::runtime_error("seven");
                // Four and five want the same name.
                const std::string name = i == 5 ? "name4" : "name" + std::to_string(i);
                return session.execute("INSERT INTO things (id, name, size) VALUES (:id, :name, 1)",
                                       {{"id", std::to_string(i)}, {"name", name}});
            });
        }
        static Task<> all(Runtime* runtime, Database* db, std::atomic<int>* runs, std::atomic<bool>* release,
                          std::vector<Result<std::int64_t>>* results) {
            TaskGroup group(runtime->context(0));
            for (std::size_t i = 0; i < results->size(); ++i) {
                group.spawn(write(db, static_cast<int>(i), runs, release, &(*results)[i]));
            }
            co_await sleep_for(std::chrono::milliseconds(1));  // lets the writes queue up
            release->store(true);
            co_await group.join();
            runtime->stop();
        }
    };
    Runtime runtime(1);
    spawn(runtime.context(0), Script::all(&runtime, db_.get(), &runs, &release, &results));
    runtime.run();
    int failed_by_name = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (i == 7) {
            EXPECT_EQ(results[i].error().code(), Code::kInternal);
        } else if (i == 4 || i == 5) {
            failed_by_name += results[i] ? 0 : 1;
        } else {
            EXPECT_EQ(results[i].value(), 1) << i;
        }
    }
    EXPECT_EQ(failed_by_name, 1);
    EXPECT_EQ(one("SELECT COUNT(*) AS n FROM things").integer("n"), 10);
    if (GetParam() != "postgresql") {
        EXPECT_GT(runs, static_cast<int>(results.size())) << "they shared a transaction, then ran alone";
    }
}

TEST_P(DatabaseContract, MigratesOnceInOrderAndNoticesChanges) {
    const Migration second{2, "colour", "ALTER TABLE things ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';\n"
                                        "INSERT INTO things (id, name) VALUES ('m', 'from; the migration');\n"};
    const std::vector<Migration> both{kThings, second};
    ASSERT_TRUE(insert("a", "a"));
    EXPECT_EQ(one("SELECT * FROM things").text("id"), "a");  // a prepared statement from before
    ASSERT_TRUE(db_->migrate(both));
    ASSERT_TRUE(db_->migrate(both));
    EXPECT_EQ(one("SELECT * FROM things WHERE id = 'm'").text("colour"), "red");
    EXPECT_EQ(one("SELECT name FROM schema_migrations WHERE number = 2").text("name"), "colour");
    EXPECT_EQ(count(), 2);

    const std::vector<Migration> edited{kThings, {2, "colour", "SELECT 1"}};
    EXPECT_EQ(db_->migrate(edited).error().code(), Code::kFailedPrecondition);
    EXPECT_THAT(db_->migrate(std::span(&kThings, 1)).error().message(), HasSubstr("newer version"));

    const std::vector<Migration> broken{kThings, second, {3, "broken", "CREATE TABLE half (x TEXT);\nCREATE TABEL no"}};
    EXPECT_THAT(db_->migrate(broken).error().message(), HasSubstr("migration 3 'broken'"));
    EXPECT_EQ(one("SELECT count(*) AS n FROM schema_migrations").integer("n"), 2);
    EXPECT_FALSE(execute("SELECT * FROM half")) << "a failed migration leaves nothing behind";
    EXPECT_EQ(db_->migrate(std::vector<Migration>{second, kThings}).error().code(), Code::kInternal);
}

TEST_P(DatabaseContract, ProcessesMayMigrateAtOnce) {
    if (GetParam() == "sqlite_memory") GTEST_SKIP() << "a memory database has one process";
    std::vector<Migration> many{kThings};
    for (int i = 2; i < 12; ++i) many.push_back({i, "more", "INSERT INTO parts (thing) SELECT id FROM things"});
    ASSERT_TRUE(insert("a", "a"));
    std::vector<std::jthread> threads;
    std::atomic<int> failures{0};
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&] {
            auto db = Database::open(url_, 1);
            if (!db || !(*db)->migrate(many)) ++failures;
        });
    }
    threads.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(one("SELECT count(*) AS n FROM parts").integer("n"), 10);
}

INSTANTIATE_TEST_SUITE_P(Databases, DatabaseContract, testing::Values("sqlite_file", "sqlite_memory", "postgresql"),
                         [](const auto& run) { return run.param; });

}  // namespace
}  // namespace atrium::sql
