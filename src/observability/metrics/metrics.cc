#include "observability/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace atrium::metrics {
namespace {

std::map<std::string, std::string> to_map(const Labels& labels) { return {labels.begin(), labels.end()}; }

}  // namespace

struct Registry::State {
    prometheus::Registry registry;
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Counter Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
    Counter handle;
    handle.impl_ = &prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry).Add(to_map(labels));
    return handle;
}

Gauge Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
    Gauge handle;
    handle.impl_ = &prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry).Add(to_map(labels));
    return handle;
}

Histogram Registry::histogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                              const Labels& labels) {
    Histogram handle;
    handle.impl_ = &prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry).Add(to_map(labels), buckets);
    return handle;
}

std::string Registry::expose() const { return prometheus::TextSerializer().Serialize(state_->registry.Collect()); }

// A handle that was never registered counts nothing, so that optional instruments need no branches at their users.
void Counter::add(double amount) {
    if (impl_) static_cast<prometheus::Counter*>(impl_)->Increment(amount);
}
double Counter::value() const { return impl_ ? static_cast<prometheus::Counter*>(impl_)->Value() : 0; }
void Gauge::set(double value) {
    if (impl_) static_cast<prometheus::Gauge*>(impl_)->Set(value);
}
void Gauge::add(double amount) {
    if (impl_) static_cast<prometheus::Gauge*>(impl_)->Increment(amount);
}
double Gauge::value() const { return impl_ ? static_cast<prometheus::Gauge*>(impl_)->Value() : 0; }
void Histogram::observe(double value) {
    if (impl_) static_cast<prometheus::Histogram*>(impl_)->Observe(value);
}

const std::vector<double>& latency_buckets() {
    static const std::vector<double> buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                             0.5,   1,      2.5,   5,    10,    20,   30,  60};
    return buckets;
}

}  // namespace atrium::metrics
