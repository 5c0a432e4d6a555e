#include "observability/trace/trace.h"

#include <gtest/gtest.h>

namespace atrium::trace {
namespace {

constexpr std::string_view kHeader = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Context, ParsesWhatItWrites) {
    const auto context = Context::parse(kHeader);
    ASSERT_TRUE(context);
    EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(context->to_traceparent(), kHeader);
    const Context fresh = Context::make();
    EXPECT_TRUE(Context::parse(fresh.to_traceparent()));
}

TEST(Context, RefusesMalformedHeaders) {
    for (const std::string_view bad :
         {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
          "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"}) {
        EXPECT_FALSE(Context::parse(bad)) << bad;
    }
    EXPECT_TRUE(Context::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x")) << "a later version may append";
}

TEST(Span, ChildrenShareTheTraceAndAreRecordedWhenTheyEnd) {
    ManualClock clock;
    SpanStore store(10);
    const Context root = Context::make();
    {
        Span server(&store, clock, "POST /v1/chat/completions", "server", root);
        server.set_project("proj_a");
        clock.advance(std::chrono::milliseconds(1));
        Span client = server.child("chat m", "client");
        client.set("gen_ai.usage.input_tokens", std::int64_t{3});
        clock.advance(std::chrono::milliseconds(5));
    }
    const auto spans = store.find(root.trace_id);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[0].name, "POST /v1/chat/completions");
    EXPECT_EQ(spans[0].parent_id, root.span_id);
    EXPECT_EQ(spans[1].parent_id, spans[0].span_id);
    EXPECT_EQ(spans[1].project, "proj_a");
    EXPECT_EQ(spans[1].end_unix_nanos - spans[1].start_unix_nanos, 5'000'000);
}

TEST(SpanStore, KeepsTheNewest) {
    SpanStore store(3);
    for (int i = 0; i < 5; ++i) store.add({.trace_id = std::to_string(i), .span_id = "s", .parent_id = "", .name = "n", .kind = "internal"});
    EXPECT_EQ(store.size(), 3u);
    EXPECT_TRUE(store.find("1").empty());
    EXPECT_EQ(store.find("4").size(), 1u);
}

TEST(Span, DefaultConstructedAndUnsampledAreInert) {
    ManualClock clock;
    SpanStore store(3);
    Span nothing;
    nothing.set("a", true);
    EXPECT_EQ(nothing.child("x", "internal").context().trace_id, "");
    Context unsampled = Context::make();
    unsampled.sampled = false;
    { Span span(&store, clock, "x", "internal", unsampled); }
    EXPECT_EQ(store.size(), 0u);
}

}  // namespace
}  // namespace atrium::trace
