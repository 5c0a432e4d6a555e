#include "observability/trace/trace.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace atrium::trace {
namespace {

std::string random_hex(std::size_t digits) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<unsigned char, 16> random{};
    CHECK(getrandom(random.data(), digits / 2, 0) == static_cast<ssize_t>(digits / 2));
    std::string text;
    for (std::size_t i = 0; i < digits / 2; ++i) {
        text.push_back(kDigits[random[i] >> 4]);
        text.push_back(kDigits[random[i] & 15]);
    }
    return text;
}

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

std::int64_t unix_nanos(SystemTime time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

Context Context::make() { return {random_hex(32), random_hex(16), true}; }

// https://www.w3.org/TR/trace-context/#traceparent-header: 2 + 1 + 32 + 1 + 16 + 1 + 2 characters; a later version may
// append fields, version ff is forbidden.
std::optional<Context> Context::parse(std::string_view header) {
    if (header.size() < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
    const std::string_view version = header.substr(0, 2);
    const std::string_view trace_id = header.substr(3, 32);
    const std::string_view span_id = header.substr(36, 16);
    const std::string_view flags = header.substr(53, 2);
    if (!is_lower_hex(version) || !is_lower_hex(trace_id) || !is_lower_hex(span_id) || !is_lower_hex(flags)) return std::nullopt;
    if (version == "ff" || all_zero(trace_id) || all_zero(span_id)) return std::nullopt;
    if (header.size() > 55 && (version == "00" || header[55] != '-')) return std::nullopt;
    const bool sampled = std::string_view("13579bdf").find(flags[1]) != std::string_view::npos;
    return Context{std::string(trace_id), std::string(span_id), sampled};
}

std::string Context::to_traceparent() const { return "00-" + trace_id + "-" + span_id + (sampled ? "-01" : "-00"); }

void SpanStore::add(SpanRecord span) {
    const std::scoped_lock lock(mutex_);
    if (spans_.size() >= capacity_) spans_.pop_front();
    spans_.push_back(std::move(span));
}

std::vector<SpanRecord> SpanStore::find(std::string_view trace_id) const {
    std::vector<SpanRecord> found;
    {
        const std::scoped_lock lock(mutex_);
        std::ranges::copy_if(spans_, std::back_inserter(found), [&](const SpanRecord& s) { return s.trace_id == trace_id; });
    }
    std::ranges::stable_sort(found, {}, &SpanRecord::start_unix_nanos);
    return found;
}

std::size_t SpanStore::size() const {
    const std::scoped_lock lock(mutex_);
    return spans_.size();
}

Span::Span(SpanStore* store, const Clock& clock, std::string name, std::string kind, const Context& parent)
    : store_(store), clock_(&clock), sampled_(parent.sampled), ended_(false) {
    record_.trace_id = parent.trace_id;
    record_.parent_id = parent.span_id;
    record_.span_id = random_hex(16);
    record_.name = std::move(name);
    record_.kind = std::move(kind);
    record_.start_unix_nanos = unix_nanos(clock.system());
}

Span::~Span() { end(); }

Span::Span(Span&& other) noexcept
    : store_(other.store_),
      clock_(other.clock_),
      record_(std::move(other.record_)),
      sampled_(other.sampled_),
      ended_(std::exchange(other.ended_, true)) {}

Span& Span::operator=(Span&& other) noexcept {
    if (this != &other) {
        end();
        store_ = other.store_;
        clock_ = other.clock_;
        record_ = std::move(other.record_);
        sampled_ = other.sampled_;
        ended_ = std::exchange(other.ended_, true);
    }
    return *this;
}

void Span::set(std::string key, AttributeValue value) {
    if (!ended_) record_.attributes.emplace_back(std::move(key), std::move(value));
}

void Span::set_project(std::string project) { record_.project = std::move(project); }

void Span::set_error(std::string type) { record_.error = std::move(type); }

void Span::end() {
    if (std::exchange(ended_, true)) return;
    record_.end_unix_nanos = unix_nanos(clock_->system());
    if (store_ && sampled_) store_->add(record_);
}

Context Span::context() const { return {record_.trace_id, record_.span_id, sampled_}; }

Span Span::child(std::string name, std::string kind) const {
    if (!clock_) return {};
    Span span(store_, *clock_, std::move(name), std::move(kind), context());
    span.set_project(record_.project);
    return span;
}

}  // namespace atrium::trace
