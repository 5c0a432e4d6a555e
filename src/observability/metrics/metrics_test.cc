#include "observability/metrics/metrics.h"

#include <gtest/gtest.h>

namespace atrium::metrics {
namespace {

TEST(Registry, SameNameAndLabelsAreTheSameSeries) {
    Registry registry;
    registry.counter("atrium_requests_total", "Requests.", {{"route", "/a"}}).add();
    registry.counter("atrium_requests_total", "Requests.", {{"route", "/a"}}).add(2);
    registry.counter("atrium_requests_total", "Requests.", {{"route", "/b"}}).add(5);
    EXPECT_EQ(registry.counter("atrium_requests_total", "Requests.", {{"route", "/a"}}).value(), 3);
    const std::string text = registry.expose();
    EXPECT_NE(text.find("atrium_requests_total{route=\"/a\"} 3"), std::string::npos);
    EXPECT_NE(text.find("# TYPE atrium_requests_total counter"), std::string::npos);
}

TEST(Registry, HistogramsAndGauges) {
    Registry registry;
    registry.histogram("atrium_wait_seconds", "Waiting.", {0.1, 1}).observe(0.5);
    Gauge gauge = registry.gauge("atrium_open", "Open.");
    gauge.set(3);
    gauge.add(-1);
    EXPECT_EQ(gauge.value(), 2);
    EXPECT_NE(registry.expose().find("atrium_wait_seconds_bucket{le=\"1\"} 1"), std::string::npos);
}

TEST(Handle, UnregisteredHandlesAreInert) {
    Counter counter;
    counter.add();
    EXPECT_EQ(counter.value(), 0);
}

}  // namespace
}  // namespace atrium::metrics
