#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "platform/sql/database.h"
#include "platform/sql/test_postgresql.h"

namespace atrium::sql {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr Migration kNumbers{1, "numbers", "CREATE TABLE numbers (n BIGINT PRIMARY KEY, filler TEXT)"};

Result<std::int64_t> insert(Database& db, std::int64_t n, std::string filler = {}) {
    return db.write_now<std::int64_t>([&](Session& session) {
        return session.execute("INSERT INTO numbers (n, filler) VALUES (:n, :f)", {{"n", n}, {"f", filler}});
    });
}

Result<std::int64_t> total(Database& db) {
    return db.read_now<std::int64_t>([](Session& session) -> Result<std::int64_t> {
        TRY_ASSIGN(auto row, session.query_one("SELECT count(*) AS n, coalesce(max(length(filler)), 0) AS f FROM numbers"));
        return row->integer("n");
    });
}

class SqliteFaults : public testing::Test {
protected:
    SqliteFaults() {
        std::string pattern = (fs::temp_directory_path() / "atrium-sql-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        path_ = folder_ / "atrium.db";
    }
    ~SqliteFaults() override { fs::remove_all(folder_); }

    Result<std::unique_ptr<Database>> open() { return Database::open("sqlite://" + path_.string(), 2); }
    std::unique_ptr<Database> ready() {
        auto db = open().value();
        EXPECT_TRUE(db->migrate(std::span(&kNumbers, 1)));
        return db;
    }

    fs::path folder_;
    fs::path path_;
};

TEST_F(SqliteFaults, TheFileIsPrivateAndUsesWriteAheadLogging) {
    const auto db = ready();
    ASSERT_TRUE(insert(*db, 1));
    struct stat info{};
    for (const char* suffix : {"", "-wal"}) {
        ASSERT_EQ(::stat((path_.string() + suffix).c_str(), &info), 0) << suffix;
        EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
    }
}

TEST_F(SqliteFaults, ReadersDoNotWaitForTheWriter) {
    const auto db = ready();
    ASSERT_TRUE(insert(*db, 1));
    ASSERT_TRUE(db->write_now<void>([&](Session& session) -> Result<> {
        TRY(session.execute("INSERT INTO numbers (n) VALUES (2)"));
        std::jthread([&] { EXPECT_EQ(total(*db).value(), 1); });  // joined here: it must not block
        return {};
    }));
    EXPECT_EQ(total(*db).value(), 2);
}

TEST_F(SqliteFaults, NamesAMissingFolder) {
    path_ = folder_ / "absent" / "atrium.db";
    const auto opened = open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kNotFound);
    EXPECT_THAT(opened.error().message(), HasSubstr(path_.string()));
}

TEST_F(SqliteFaults, NamesAFileThatMayNotBeWritten) {
    ASSERT_TRUE(insert(*ready(), 1));
    ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
    const bool root = ::geteuid() == 0;
    if (root) {
        ASSERT_EQ(::chown(folder_.c_str(), 65534, 65534), 0);
        ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
        if (::seteuid(65534) != 0) GTEST_SKIP() << "cannot become an unprivileged user";
    }
    const auto opened = open();
    if (root) ASSERT_EQ(::seteuid(0), 0);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kPermissionDenied);
    EXPECT_THAT(opened.error().message(), HasSubstr(path_.string()));
}

TEST_F(SqliteFaults, AFullDiskLosesOnlyTheNewRow) {
    const auto db = ready();
    ASSERT_TRUE(insert(*db, 1));
    ASSERT_TRUE(db->write_now<void>([](Session& session) -> Result<> {
        TRY(session.query("PRAGMA max_page_count = 20"));
        return {};
    }));
    const auto full = insert(*db, 2, std::string(200'000, 'x'));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code(), Code::kResourceExhausted);
    EXPECT_THAT(full.error().message(), HasSubstr(path_.string()));
    EXPECT_EQ(total(*db).value(), 1);
    EXPECT_TRUE(insert(*db, 3)) << "what fits still works";
}

TEST_F(SqliteFaults, ARealFullFileSystemIsReportedAndSurvived) {
    // In a child with a mount namespace of its own, which takes the little file system along when it ends.
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", folder_.c_str(), "tmpfs", 0, "size=1m") != 0) {
            ::_exit(77);
        }
        const auto db = ready();
        std::int64_t committed = 0;
        Result<std::int64_t> done = 0;
        while (done) {
            done = insert(*db, committed + 1, std::string(20'000, 'x'));
            if (done) ++committed;
        }
        if (done.error().code() != Code::kResourceExhausted) std::cerr << done.error().to_string() << std::endl;
        const bool good = done.error().code() == Code::kResourceExhausted && total(*db).value_or(-1) == committed;
        ::_exit(good && committed > 5 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not mount a small file system";
    EXPECT_EQ(status, 0);
}

TEST_F(SqliteFaults, ReportsDamage) {
    {
        const auto db = ready();
        for (int i = 0; i < 50; ++i) ASSERT_TRUE(insert(*db, i, std::string(2000, 'x')));
    }
    const auto size = fs::file_size(path_);
    {
        std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(8192);
        file << std::string(static_cast<std::size_t>(size) - 8192, '\xa5');
    }
    const auto db = open();
    const auto damaged = db ? total(**db) : Result<std::int64_t>(std::unexpected(db.error()));
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code(), Code::kDataLoss);
    EXPECT_THAT(damaged.error().message(), HasSubstr(path_.string()));
}

TEST_F(SqliteFaults, RefusesWhatIsNoDatabase) {
    std::ofstream(path_) << std::string(5000, 'z');
    const auto opened = open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kDataLoss);
}

TEST_F(SqliteFaults, KillingTheProcessLosesNoCommittedRow) {
    ready().reset();
    int committed[2];
    ASSERT_EQ(::pipe(committed), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto db = open();
        if (!db) ::_exit(1);
        for (std::int64_t n = 1;; ++n) {
            if (!insert(**db, n, "row")) ::_exit(1);
            if (::write(committed[1], &n, sizeof n) != sizeof n) ::_exit(1);
        }
    }
    ::close(committed[1]);
    std::int64_t last = 0;
    for (std::int64_t n = 0; last < 50 && ::read(committed[0], &n, sizeof n) == sizeof n;) last = n;
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    for (std::int64_t n = 0; ::read(committed[0], &n, sizeof n) == sizeof n;) last = n;
    ::close(committed[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ASSERT_GE(last, 50);

    const auto db = open().value();
    const auto rows = total(*db).value();
    EXPECT_GE(rows, last) << "a row was reported as committed and is gone";
    EXPECT_LE(rows, last + 1) << "the one that was on its way";
    EXPECT_TRUE(insert(*db, 1'000'000));
}

class PostgresqlFaults : public testing::Test {
protected:
    void SetUp() override {
        std::string why_not;
        server_ = TestPostgresql::start(why_not);
        if (!server_) GTEST_SKIP() << why_not;
    }
    std::unique_ptr<TestPostgresql> server_;
};

TEST_F(PostgresqlFaults, SurvivesAServerThatWentAway) {
    const auto db = Database::open(server_->url(), 3).value();
    ASSERT_TRUE(db->migrate(std::span(&kNumbers, 1)));
    // Three connections, so that stale ones are left in the pool.
    {
        std::vector<std::jthread> threads;
        for (int n = 1; n <= 3; ++n) {
            threads.emplace_back([&, n] {
                EXPECT_TRUE(db->write_now<void>([&](Session& session) -> Result<> {
                    TRY(session.execute("INSERT INTO numbers (n) VALUES (:n)", {{"n", n}}));
                    std::this_thread::sleep_for(20ms);
                    return {};
                }));
            });
        }
    }
    server_->stop();
    for (int i = 0; i < 2; ++i) {
        const auto away = insert(*db, 4);
        ASSERT_FALSE(away);
        EXPECT_EQ(away.error().code(), Code::kUnavailable) << away.error().to_string();
        EXPECT_THAT(away.error().to_string(), Not(HasSubstr("s3cr3t")));
    }
    const auto opened = Database::open(server_->url(), 1);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::kUnavailable);
    EXPECT_THAT(opened.error().to_string(), Not(HasSubstr("s3cr3t")));

    ASSERT_TRUE(server_->run());
    const auto give_up = std::chrono::steady_clock::now() + 5s;
    Result<std::int64_t> back = insert(*db, 4);
    while (!back && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(20ms);
        back = insert(*db, 4);
    }
    EXPECT_TRUE(back) << back.error().to_string();
    EXPECT_EQ(total(*db).value(), 4);
}

TEST_F(PostgresqlFaults, ARestartBetweenTwoTransactionsIsNotNoticed) {
    const auto db = Database::open(server_->url(), 2).value();
    ASSERT_TRUE(db->migrate(std::span(&kNumbers, 1)));
    ASSERT_TRUE(insert(*db, 1));
    server_->stop();
    ASSERT_TRUE(server_->run());
    EXPECT_TRUE(insert(*db, 2));
    EXPECT_EQ(total(*db).value(), 2);
}

TEST_F(PostgresqlFaults, RefusesAMalformedUrlWithoutRepeatingIt) {
    const auto opened = Database::open("postgresql://u:s3cr3t@host:notaport/db?nonsense=s3cr3t", 1);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().to_string(), Not(HasSubstr("s3cr3t")));
}

}  // namespace
}  // namespace atrium::sql
