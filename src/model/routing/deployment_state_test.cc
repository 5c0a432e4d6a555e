#include "model/routing/deployment_state.h"

#include <gtest/gtest.h>

#include <thread>

namespace atrium::model {
namespace {

using Refusal = DeploymentState::Refusal;

class DeploymentStateTest : public testing::Test {
protected:
    std::int64_t now() const { return steady_ms(clock_); }
    Lease enter(bool streamed = true) {
        bool probe = false;
        EXPECT_TRUE(state_->enter(now(), 100, probe));
        return Lease(state_, clock_, 100, probe, streamed);
    }
    void advance(std::int64_t ms) { clock_.advance(std::chrono::milliseconds(ms)); }
    void break_it() {
        for (int i = 0; i < Breaker::kFailures; ++i) enter().failed(unavailable("down"));
    }

    ManualClock clock_;
    metrics::Registry registry_;
    std::shared_ptr<DeploymentState> state_ = std::make_shared<DeploymentState>("a/m", false, &registry_);
};

TEST_F(DeploymentStateTest, ALeaseCountsWhatIsOutstanding) {
    {
        const auto one = enter();
        auto two = enter();
        EXPECT_EQ(state_->outstanding(), 2);
        EXPECT_EQ(state_->outstanding_tokens(), 200);
        EXPECT_EQ(state_->refusal(now(), 2), Refusal::kFull);
        EXPECT_EQ(state_->refusal(now(), 3), Refusal::kNone);
        two.finished();
        EXPECT_EQ(state_->outstanding(), 1);
    }
    EXPECT_EQ(state_->outstanding(), 0);
    EXPECT_EQ(state_->outstanding_tokens(), 0);
    EXPECT_NE(registry_.expose().find("outcome=\"cancelled\"} 1"), std::string::npos);
}

TEST_F(DeploymentStateTest, AfterTheBreakerOneProbeThenASlowStart) {
    advance(1'000);
    break_it();
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kOpen);
    advance(Breaker::kOpenMs);
    auto probe = enter();
    bool another = false;
    EXPECT_FALSE(state_->enter(now(), 1, another));
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kOpen);
    probe.answered();
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
    EXPECT_DOUBLE_EQ(state_->slow_start_share(now()), 0.1);
    advance(15'000);
    EXPECT_DOUBLE_EQ(state_->slow_start_share(now()), 0.5);
    advance(15'000);
    EXPECT_DOUBLE_EQ(state_->slow_start_share(now()), 1.0);
}

TEST_F(DeploymentStateTest, OfManyThreadsOneGetsTheProbe) {
    break_it();
    advance(Breaker::kOpenMs);
    std::atomic<int> passed{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&] {
                bool probe = false;
                if (state_->enter(now(), 1, probe)) ++passed;
            });
        }
    }
    EXPECT_EQ(passed.load(), 1);
}

TEST_F(DeploymentStateTest, TheCallersMistakesAreNotItsFailures) {
    for (int i = 0; i < 100; ++i) enter().failed(invalid_argument("temperature"));
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
    for (int i = 0; i < 100; ++i) enter();  // cancelled
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
}

TEST_F(DeploymentStateTest, ARateLimitRestsAsLongAsItAsksUpToABound) {
    enter().failed(resource_exhausted("slow").with_retry_after(std::chrono::milliseconds(3'000)));
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kCooling);
    EXPECT_EQ(state_->back_in(now()), 3'000);
    advance(3'000);
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
    enter().failed(resource_exhausted("slow").with_retry_after(std::chrono::hours(5)));
    EXPECT_EQ(state_->back_in(now()), 60'000);
}

TEST_F(DeploymentStateTest, ChecksTakeItOutAndBringItBackSlowly) {
    advance(1);
    state_->checked(false, now());
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone) << "one failed check proves nothing";
    state_->checked(false, now());
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kDown);
    state_->checked(true, now());
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
    EXPECT_LT(state_->slow_start_share(now()), 1.0);
}

TEST_F(DeploymentStateTest, AnOutlierIsOutLongerEachTime) {
    state_->eject_outlier(now());
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kEjected);
    EXPECT_EQ(state_->back_in(now()), 15'000);
    advance(15'000);
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
    state_->eject_outlier(now());
    EXPECT_EQ(state_->back_in(now()), 30'000);
}

TEST_F(DeploymentStateTest, ASupervisedEngineHasNoBreaker) {
    state_ = std::make_shared<DeploymentState>("local/m", true, nullptr);
    break_it();
    EXPECT_EQ(state_->refusal(now(), 0), Refusal::kNone);
}

TEST_F(DeploymentStateTest, LatencyIsKeptApartForStreamsAndWholeAnswers) {
    auto stream = enter(true);
    advance(200);
    stream.answered();
    advance(5'000);
    stream.finished();
    auto whole = enter(false);
    advance(3'000);
    whole.finished();
    EXPECT_DOUBLE_EQ(state_->latency_ms(true), 200);
    EXPECT_DOUBLE_EQ(state_->latency_ms(false), 3'000);
}

}  // namespace
}  // namespace atrium::model
