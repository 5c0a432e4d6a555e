// The same cases against every RateLimiter. The Redis one runs on a real server that the test starts.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "app/usage/rate_limiter.h"
#include "platform/async/runtime.h"

namespace atrium::app {
namespace {

using std::chrono::milliseconds;

/// redis-server on a Unix socket in a folder of its own.
class TestRedis {
public:
    TestRedis() {
        std::string pattern = (std::filesystem::temp_directory_path() / "atrium-redis-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        start();
    }
    ~TestRedis() {
        stop();
        std::filesystem::remove_all(folder_);
    }
    void start() {
        const std::string socket = (folder_ / "socket").string();
        std::vector<std::string> words{"redis-server",
                                       "--port",
                                       "0",
                                       "--unixsocket",
                                       socket,
                                       "--save",
                                       "",
                                       "--dir",
                                       folder_,
                                       "--logfile",
                                       (folder_ / "log").string()};
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        if (::posix_spawnp(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) pid_ = 0;
    }
    void stop() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, 0), nullptr, 0);
    }
    std::string url() const { return "unix://" + (folder_ / "socket").string(); }

private:
    std::filesystem::path folder_;
    pid_t pid_ = 0;
};

Demand requests(std::int64_t limit, std::int64_t amount = 1, std::string subject = "key:k") {
    return {std::move(subject), LimitKind::kRequests, limit, amount};
}
Demand tokens(std::int64_t limit, std::int64_t amount) {
    return {"key:k", LimitKind::kTokens, limit, amount};
}
Demand place(std::int64_t limit) {
    return {"key:k", LimitKind::kConcurrency, limit, 1};
}

enum class Kind { kEmbedded, kRedis };

class RateLimiterContract : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        if (GetParam() == Kind::kEmbedded) {
            limiter_ = make_embedded_rate_limiter(system_clock());
            return;
        }
        server_ = std::make_unique<TestRedis>();
        limiter_ = another();
        if (!clients_.front()->connected()) GTEST_SKIP() << "redis-server cannot be started";
    }
    std::unique_ptr<RateLimiter> another() {
        clients_.push_back(redis::RedisClient::open(server_->url()).value());
        clients_.back()->wait_connected(std::chrono::seconds(5));
        return make_redis_rate_limiter(*clients_.back(), system_clock(), metrics_);
    }
    Verdict take(RateLimiter& limiter, std::vector<Demand> demands) {
        return run_blocking(limiter.take(std::move(demands)));
    }
    Verdict take(std::vector<Demand> demands) { return take(*limiter_, std::move(demands)); }

    metrics::Registry metrics_;
    std::unique_ptr<TestRedis> server_;
    std::vector<std::unique_ptr<redis::RedisClient>> clients_;
    std::unique_ptr<RateLimiter> limiter_;
};

TEST_P(RateLimiterContract, AMinutesWorthThenNothing) {
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(take({requests(30)}).granted) << i;
    const auto refused = take({requests(30)});
    EXPECT_FALSE(refused.granted);
    EXPECT_GT(refused.retry_after.count(), 0);
    EXPECT_LE(refused.retry_after.count(), 2000);
    EXPECT_EQ(refused.standings.at(0).remaining, 0);
    EXPECT_TRUE(take({requests(30, 1, "key:other")}).granted);
}

TEST_P(RateLimiterContract, ItFillsUpEvenly) {
    for (int i = 0; i < 1200; ++i) take({requests(1200)});
    int granted = 0;
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - began < milliseconds(500)) {
        granted += take({requests(1200)}).granted;
        std::this_thread::sleep_for(milliseconds(2));
    }
    const auto elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    EXPECT_NEAR(granted, elapsed * 20, 4);
}

TEST_P(RateLimiterContract, AllDemandsOrNone) {
    ASSERT_TRUE(take({requests(10), tokens(100, 90)}).granted);
    for (int i = 0; i < 5; ++i) {
        const auto refused = take({requests(10), tokens(100, 50)});
        EXPECT_FALSE(refused.granted);
        EXPECT_EQ(refused.refused, 1u);
    }
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(take({requests(10)}).granted) << i;
}

TEST_P(RateLimiterContract, WhatIsGivenBackCanBeTakenAgain) {
    ASSERT_TRUE(take({tokens(1000, 900)}).granted);
    EXPECT_FALSE(take({tokens(1000, 500)}).granted);
    limiter_->give_back(tokens(1000, 800));
    EXPECT_TRUE(take({tokens(1000, 500)}).granted);
    limiter_->give_back(tokens(1000, -400));  // an answer that was longer than expected
    EXPECT_FALSE(take({tokens(1000, 100)}).granted);
}

TEST_P(RateLimiterContract, MoreThanTheLimitWaitsForAFullBucket) {
    EXPECT_TRUE(take({tokens(100, 5000)}).granted);
    EXPECT_FALSE(take({tokens(100, 5000)}).granted);
}

TEST_P(RateLimiterContract, PlacesAreFreedAndTakenAgain) {
    ASSERT_TRUE(take({place(2)}).granted);
    ASSERT_TRUE(take({place(2)}).granted);
    EXPECT_FALSE(take({place(2)}).granted);
    limiter_->give_back(place(2));
    std::this_thread::sleep_for(milliseconds(30));  // a refusal from afar holds for 20 ms
    EXPECT_TRUE(take({place(2)}).granted);
}

TEST_P(RateLimiterContract, SeveralGatewaysShareOneLimit) {
    if (GetParam() == Kind::kEmbedded) GTEST_SKIP() << "one process";
    auto second = another();
    auto third = another();
    int granted = 0;
    for (int i = 0; i < 300; ++i) {
        for (auto* limiter : {limiter_.get(), second.get(), third.get()})
            granted += take(*limiter, {requests(100)}).granted;
    }
    EXPECT_GE(granted, 98);
    EXPECT_LE(granted, 104);  // and what fills up meanwhile
    int places = 0;
    for (int i = 0; i < 20; ++i) {
        for (auto* limiter : {limiter_.get(), second.get(), third.get()}) places += take(*limiter, {place(7)}).granted;
        std::this_thread::sleep_for(milliseconds(25));
    }
    EXPECT_LE(places, 7);
    EXPECT_GE(places, 5);
}

TEST_P(RateLimiterContract, WithoutRedisEachHasItsShareAndItRecovers) {
    if (GetParam() == Kind::kEmbedded) GTEST_SKIP() << "no server";
    ASSERT_TRUE(take({requests(50)}).granted);
    server_->stop();
    int granted = 0;
    for (int i = 0; i < 200; ++i) granted += take({requests(50)}).granted;
    EXPECT_GE(granted, 49);
    EXPECT_LE(granted, 53);
    server_->start();
    ASSERT_TRUE(clients_.front()->wait_connected(std::chrono::seconds(10)));
    granted = 0;
    for (int i = 0; i < 200; ++i) granted += take({requests(50)}).granted;
    EXPECT_LE(granted, 12);  // what was used meanwhile is subtracted
}

INSTANTIATE_TEST_SUITE_P(Everywhere, RateLimiterContract, testing::Values(Kind::kEmbedded, Kind::kRedis),
                         [](const auto& info) { return info.param == Kind::kEmbedded ? "Embedded" : "Redis"; });

/// A clock whose wall can jump.
class JumpingClock final : public Clock {
public:
    SteadyTime steady() const override { return inner.steady(); }
    SystemTime system() const override { return inner.system() + jump; }
    ManualClock inner;
    std::chrono::hours jump{0};
};

TEST(EmbeddedRateLimiter, FollowsTheSteadyClockOnly) {
    JumpingClock clock;
    const auto limiter = make_embedded_rate_limiter(clock);
    const auto take = [&] { return run_blocking(limiter->take({requests(60)})); };
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(take().granted);
    clock.jump = std::chrono::hours(5000);
    EXPECT_FALSE(take().granted);
    clock.jump = std::chrono::hours(-5000);
    EXPECT_EQ(take().retry_after, milliseconds(1000));
    clock.inner.advance(milliseconds(1000));
    EXPECT_TRUE(take().granted);
    EXPECT_FALSE(take().granted);
    clock.inner.advance(std::chrono::hours(1));
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(take().granted);
    EXPECT_FALSE(take().granted);
}

}  // namespace
}  // namespace atrium::app
