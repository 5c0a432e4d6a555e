#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"

/// W3C trace context and spans with OpenTelemetry GenAI names. Spans are kept in a bounded ring that the API reads;
/// exporters come on top.
namespace atrium::trace {

/// traceparent: version 00, 16-byte trace id, 8-byte parent id, flags.
struct Context {
    std::string trace_id;  ///< 32 lower-case hex digits
    std::string span_id;   ///< 16
    bool sampled = true;

    /// A fresh root.
    static Context make();
    /// From a `traceparent` header; nothing when it is malformed or all zero.
    static std::optional<Context> parse(std::string_view traceparent);
    std::string to_traceparent() const;
};

using AttributeValue = std::variant<std::string, std::int64_t, double, bool>;

struct SpanRecord {
    std::string trace_id;
    std::string span_id;
    std::string parent_id;  ///< empty for a root
    std::string name;       ///< "chat gemma-3-270m"
    std::string kind;       ///< "server", "client", "internal"
    std::int64_t start_unix_nanos = 0;
    std::int64_t end_unix_nanos = 0;
    std::string project;    ///< who may read it; empty: operators only
    std::string error;      ///< error.type, empty when ok
    std::vector<std::pair<std::string, AttributeValue>> attributes;
};

/// The last `capacity` spans. Thread-safe.
class SpanStore {
public:
    explicit SpanStore(std::size_t capacity = 20'000) : capacity_(capacity) {}
    void add(SpanRecord span);
    /// All kept spans of a trace by start time; empty when unknown.
    std::vector<SpanRecord> find(std::string_view trace_id) const;
    std::size_t size() const;

private:
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::deque<SpanRecord> spans_;
};

/// A span in progress; recorded when it ends or is destroyed. Single-threaded, movable. With a null store it is inert.
class Span {
public:
    Span() = default;
    /// A child of `parent` (or a root continuing it, when `parent` came from a header).
    Span(SpanStore* store, const Clock& clock, std::string name, std::string kind, const Context& parent);
    ~Span();
    Span(Span&&) noexcept;
    Span& operator=(Span&&) noexcept;

    void set(std::string key, AttributeValue value);
    void set_project(std::string project);
    void set_error(std::string type);
    void end();
    /// What children and outgoing requests carry.
    Context context() const;
    Span child(std::string name, std::string kind) const;

private:
    SpanStore* store_ = nullptr;
    const Clock* clock_ = nullptr;
    SpanRecord record_;
    bool sampled_ = true;
    bool ended_ = true;
};

}  // namespace atrium::trace
