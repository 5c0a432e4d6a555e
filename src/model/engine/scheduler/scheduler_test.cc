#include "model/engine/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/engine/testing/fake_backend.h"

namespace atrium::model {
namespace {

using std::chrono::milliseconds;

std::vector<Token> text_tokens(std::string_view text) {
    std::vector<Token> tokens;
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
}

std::vector<Token> repeated(char c, int count) { return text_tokens(std::string(static_cast<std::size_t>(count), c)); }

// The scheduler driving the fake model in simulated time: 1 ms per step and token.
class Simulation {
public:
    Simulation(SchedulerOptions options, FakeOptions fake) : scheduler(options), model(std::move(fake)) {}

    static SchedulerOptions match(const FakeOptions& fake) {
        SchedulerOptions options;
        options.kv_cells = fake.context;
        options.max_active = fake.sequences;
        options.sequence_ids = fake.sequence_ids;
        options.batch_tokens = fake.batch_tokens;
        options.chunk_alone = 32;
        options.chunk_shared = 16;
        options.expected_new = 16;
        options.share_prefixes = fake.share_prefixes;
        return options;
    }

    RequestId submit(std::vector<Token> prompt, int max_new, const std::string& tenant = "t") {
        const RequestId id = next_id++;
        prompts[id] = prompt;
        limits[id] = max_new;
        EXPECT_TRUE(scheduler.submit({id, tenant, std::move(prompt), max_new, {}, {}}).has_value());
        return id;
    }

    StepPlan step() {
        StepPlan plan = scheduler.plan(clock.steady());
        for (const KvOperation& operation : plan.kv) {
            if (operation.kind == KvOperation::Kind::kCopy) model.copy(operation.source, operation.sequence, operation.length);
            else model.remove(operation.sequence, operation.length);
        }
        if (plan.work.empty()) return plan;
        std::vector<BatchToken> batch;
        std::vector<RequestId> outputs;
        for (const Work& work : plan.work) {
            for (int i = 0; i < work.count; ++i) {
                const Token token = scheduler.tokens(work.id)[static_cast<std::size_t>(work.position + i)];
                batch.push_back({token, work.position + i, work.sequence, work.output && i + 1 == work.count});
            }
            if (work.output) outputs.push_back(work.id);
        }
        EXPECT_EQ(model.decode(batch), DecodeStatus::kOk);
        clock.advance(milliseconds(1 + batch.size()));
        scheduler.computed(plan);
        auto sampler = model.make_sampler({});
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            const RequestId id = outputs[i];
            const Token token = model.sample(**sampler, static_cast<int>(i), -1)->token;
            if (first_token.try_emplace(id, clock.steady()).second) order.push_back(id);
            if (token != kFakeEnd) answers[id] += model.piece(token, false);
            if (token == kFakeEnd || ++produced[id] >= limits[id]) {
                scheduler.finish(id);
                finished.insert(id);
            } else {
                scheduler.append(id, token);
            }
        }
        return plan;
    }
    void run(int steps = 100'000) {
        while (!scheduler.idle() && steps-- > 0) step();
        EXPECT_TRUE(scheduler.idle());
    }
    void expect_right_answers() {
        for (const RequestId id : finished) EXPECT_EQ(answers[id], model.expected_answer(prompts[id], limits[id])) << "request " << id;
    }

    ManualClock clock;
    Scheduler scheduler;
    FakeBackend model;
    RequestId next_id = 1;
    std::map<RequestId, std::vector<Token>> prompts;
    std::map<RequestId, int> limits;
    std::map<RequestId, int> produced;
    std::map<RequestId, std::string> answers;
    std::map<RequestId, SteadyTime> first_token;
    std::vector<RequestId> order;
    std::set<RequestId> finished;
};

Simulation simulate(FakeOptions fake = {}) { return Simulation(Simulation::match(fake), fake); }

TEST(Scheduler, AnswersOneRequest) {
    Simulation sim = simulate();
    const RequestId id = sim.submit(text_tokens("hello"), 20);
    sim.run();
    EXPECT_TRUE(sim.finished.contains(id));
    sim.expect_right_answers();
}

TEST(Scheduler, LongPromptIsCutIntoChunks) {
    Simulation sim = simulate();
    sim.submit(repeated('x', 100), 1);
    EXPECT_EQ(sim.step().prefill_tokens, 32);
    EXPECT_EQ(sim.step().prefill_tokens, 32);
    EXPECT_EQ(sim.step().prefill_tokens, 32);
    EXPECT_EQ(sim.step().prefill_tokens, 4);
    EXPECT_EQ(sim.finished.size(), 1U);
}

TEST(Scheduler, RunningAnswersAreInEveryStepWhileAPromptIsComputed) {
    Simulation sim = simulate({.script = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"});
    const RequestId talking = sim.submit(text_tokens("hi:"), 50);
    sim.step();
    sim.submit(repeated('x', 400), 1);
    for (int i = 0; i < 20; ++i) {
        const StepPlan plan = sim.step();
        EXPECT_EQ(plan.decode_tokens, 1);
        EXPECT_LE(plan.prefill_tokens, 16);
        EXPECT_EQ(plan.work.front().id, talking) << "decode first";
    }
}

TEST(Scheduler, ShortPromptOvertakesALongOneWithoutStoppingIt) {
    Simulation sim = simulate();
    const RequestId longer = sim.submit(repeated('x', 600), 1);
    sim.step();
    const RequestId shorter = sim.submit(repeated('y', 20), 1);
    for (int i = 0; i < 2; ++i) {
        const StepPlan plan = sim.step();
        EXPECT_TRUE(std::ranges::any_of(plan.work, [&](const Work& work) { return work.id == longer; }));
    }
    EXPECT_TRUE(sim.finished.contains(shorter));
    EXPECT_FALSE(sim.finished.contains(longer));
    sim.run();
    sim.expect_right_answers();
}

TEST(Scheduler, QueuesWhatDoesNotFitAndFailsNobody) {
    Simulation sim = simulate({.context = 300, .sequences = 8});
    for (int i = 0; i < 20; ++i) sim.submit(repeated(static_cast<char>('a' + i), 100), 60);
    sim.run();
    EXPECT_EQ(sim.finished.size(), 20U);
    sim.expect_right_answers();
}

TEST(Scheduler, SetsTheNewestAsideWhenAnswersGrowBeyondTheEstimate) {
    // 4 × (50 + 16 expected) fit into 280 cells; 4 × 150 do not.
    Simulation sim = simulate({.context = 280, .script = std::string(100, 'z')});
    for (int i = 0; i < 4; ++i) sim.submit(repeated(static_cast<char>('a' + i), 49), 100);
    sim.run();
    EXPECT_GT(sim.scheduler.retractions(), 0U);
    EXPECT_EQ(sim.order.front(), 1U);
    EXPECT_EQ(sim.finished.size(), 4U);
}

TEST(Scheduler, RetractedRequestsContinueWithTheSameText) {
    Simulation sim = simulate({.context = 200, .sequences = 4});
    std::mt19937 random(7);
    for (int i = 0; i < 8; ++i) {
        std::vector<Token> prompt;
        for (int k = 0; k < 40; ++k) prompt.push_back(static_cast<Token>('a' + random() % 26));
        sim.submit(prompt, 150);
    }
    sim.run();
    sim.expect_right_answers();
    EXPECT_EQ(sim.finished.size(), 8U);
}

TEST(Scheduler, TenantsTakeTurns) {
    Simulation sim = simulate({.sequences = 1});
    for (int i = 0; i < 10; ++i) sim.submit(repeated('a', 5 + i), 3, "loud");
    const RequestId quiet = sim.submit(repeated('b', 5), 3, "quiet");
    sim.run();
    const auto place = std::ranges::find(sim.order, quiet) - sim.order.begin();
    EXPECT_LE(place, 2) << "one of the loud tenant's ten may be ahead, and the one that ran already";
    sim.expect_right_answers();
}

TEST(Scheduler, QueueIsBoundedInAllAndPerTenant) {
    SchedulerOptions options;
    options.max_queued = 3;
    options.max_queued_per_tenant = 2;
    Scheduler scheduler(options);
    EXPECT_TRUE(scheduler.submit({1, "a", {1}, 1, {}, {}}));
    EXPECT_TRUE(scheduler.submit({2, "a", {1}, 1, {}, {}}));
    EXPECT_EQ(scheduler.submit({3, "a", {1}, 1, {}, {}}).error().code(), Code::kResourceExhausted);
    EXPECT_TRUE(scheduler.submit({4, "b", {1}, 1, {}, {}}));
    EXPECT_EQ(scheduler.submit({5, "c", {1}, 1, {}, {}}).error().code(), Code::kResourceExhausted);
}

TEST(Scheduler, DeadlinesEndQueuedAndRunningRequests) {
    Simulation sim = simulate({.sequences = 1, .script = std::string(90, 'z')});
    const SteadyTime now = sim.clock.steady();
    sim.limits[100] = sim.limits[101] = sim.limits[102] = 90;
    ASSERT_TRUE(sim.scheduler.submit({100, "t", text_tokens("a:"), 90, {}, now + milliseconds(20)}));
    ASSERT_TRUE(sim.scheduler.submit({101, "t", text_tokens("b:"), 90, now + milliseconds(5), {}}));
    std::vector<std::pair<RequestId, Expiry>> expired;
    while (!sim.scheduler.idle()) {
        const StepPlan plan = sim.step();
        expired.insert(expired.end(), plan.expired.begin(), plan.expired.end());
    }
    const std::vector<std::pair<RequestId, Expiry>> expected{{101, Expiry::kStart}, {100, Expiry::kFinish}};
    EXPECT_EQ(expired, expected);
}

TEST(Scheduler, CancelTakesEffectInTheNextStepInEveryState) {
    Simulation sim = simulate({.sequences = 2, .script = std::string(90, 'z')});
    const RequestId decoding = sim.submit(text_tokens("a:"), 90);
    sim.step();
    const RequestId prefilling = sim.submit(repeated('b', 300), 10);
    const RequestId queued = sim.submit(text_tokens("c:"), 90);
    sim.step();
    for (const RequestId id : {decoding, prefilling, queued}) {
        sim.scheduler.cancel(id);
        const StepPlan plan = sim.step();
        EXPECT_TRUE(std::ranges::none_of(plan.work, [&](const Work& work) { return work.id == id; }));
    }
    EXPECT_TRUE(sim.scheduler.idle());
    sim.scheduler.cancel(4711);  // unknown: nothing happens
}

TEST(Scheduler, FollowingTurnReusesTheConversation) {
    Simulation sim = simulate();
    std::vector<Token> first = repeated('q', 60);
    const RequestId one = sim.submit(first, 10);
    sim.run();
    std::vector<Token> second = first;
    for (const char c : sim.answers[one]) second.push_back(static_cast<unsigned char>(c));
    for (const Token token : text_tokens("and then?")) second.push_back(token);
    const RequestId two = sim.submit(second, 10);
    sim.step();
    EXPECT_GE(sim.scheduler.reused_tokens(two), 60);
    sim.run();
    sim.expect_right_answers();
}

TEST(Scheduler, CommonPrefixIsComputedOnceEvenWhenAllArriveTogether) {
    Simulation sim = simulate({.context = 4096, .sequences = 4});
    const std::vector<Token> system = repeated('s', 200);
    for (int i = 0; i < 8; ++i) {
        std::vector<Token> prompt = system;
        for (const Token token : text_tokens("question " + std::to_string(i))) prompt.push_back(token);
        sim.submit(prompt, 5);
    }
    sim.run();
    sim.expect_right_answers();
    EXPECT_LT(sim.model.computed_tokens(), 2 * 200U);
}

TEST(Scheduler, PrefixesAreNotSharedBetweenTenants) {
    Simulation sim = simulate();
    sim.submit(repeated('s', 100), 3, "a");
    sim.run();
    const RequestId other = sim.submit(repeated('s', 100), 3, "b");
    sim.step();
    EXPECT_EQ(sim.scheduler.reused_tokens(other), 0);
}

TEST(Scheduler, NothingIsSharedWhenTheModelCannot) {
    Simulation sim = simulate({.sequences = 2, .sequence_ids = 2, .share_prefixes = false});
    for (int i = 0; i < 6; ++i) sim.submit(repeated('s', 100), 5);
    sim.run();
    EXPECT_GE(sim.model.computed_tokens(), 600U);
    sim.expect_right_answers();
}

TEST(Scheduler, SingleRequestMayUseTheWholeCache) {
    Simulation sim = simulate({.context = 128});
    for (int i = 0; i < 3; ++i) sim.submit(repeated('f', 30), 4);  // leaves idle prefixes in the way
    sim.run();
    const RequestId big = sim.submit(repeated('g', 100), 28);
    sim.run();
    EXPECT_TRUE(sim.finished.contains(big));
    sim.expect_right_answers();
}

TEST(Scheduler, EveryKvOperationStaysWithinTheLimitsUnderRandomLoad) {
    for (const unsigned seed : {1U, 2U, 3U, 4U, 5U}) {
        std::mt19937 random(seed);
        Simulation sim = simulate({.context = 600, .sequences = 5, .sequence_ids = 9});
        std::vector<RequestId> open;
        for (int round = 0; round < 250; ++round) {
            if (random() % 4 == 0) {
                // Prompts out of a small alphabet of building blocks share prefixes of every length.
                std::vector<Token> prompt;
                for (unsigned block = 0, blocks = 1 + random() % 5; block < blocks; ++block) {
                    for (const Token token : repeated(static_cast<char>('a' + random() % 3), 1 + static_cast<int>(random() % 40))) prompt.push_back(token);
                }
                open.push_back(sim.submit(prompt, 1 + static_cast<int>(random() % 120), random() % 3 ? "a" : "b"));
            }
            if (random() % 10 == 0 && !open.empty()) sim.scheduler.cancel(open[random() % open.size()]);
            sim.step();
            ASSERT_LE(sim.model.cells_used(), 600);
        }
        sim.run();
        sim.expect_right_answers();
        EXPECT_GT(sim.finished.size(), 20U);
    }
}

}  // namespace
}  // namespace atrium::model
