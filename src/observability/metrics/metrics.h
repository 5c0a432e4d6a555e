#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Prometheus metrics on prometheus-cpp core. Names end in their unit (_seconds, _bytes, _total). Label values come
/// from bounded sets only (route patterns, model names, states), never from user input.
namespace atrium::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
public:
    void add(double amount = 1);
    double value() const;

private:
    friend class Registry;
    void* impl_ = nullptr;  // prometheus::Counter, owned by the registry
};

class Gauge {
public:
    void set(double value);
    void add(double amount);
    double value() const;

private:
    friend class Registry;
    void* impl_ = nullptr;
};

class Histogram {
public:
    void observe(double value);

private:
    friend class Registry;
    void* impl_ = nullptr;
};

/// All series of the process. Handles are cheap values, valid as long as the registry; asking again for the same
/// name and labels gives the same series. Thread-safe; look handles up once, not per request.
class Registry {
public:
    Registry();
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
    Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
    Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                        const Labels& labels = {});

    /// Text exposition format 0.0.4; passes `promtool check metrics`.
    std::string expose() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// 1 ms … 60 s, for request durations in seconds.
const std::vector<double>& latency_buckets();

}  // namespace atrium::metrics
