#include "observability/log/log.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <ctime>
#include <memory>

#include "base/json.h"

namespace atrium::log {
namespace {

constexpr std::size_t kQueueLines = 8192;

struct Output {
    std::shared_ptr<spdlog::logger> logger;
    Format format = Format::kText;
};

// Written by init() and shutdown() only, both on the main thread while no other thread logs; read by all.
Output output;
std::atomic<Level> minimum{Level::kInfo};

constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};

std::string_view level_name(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::string timestamp() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                       utc.tm_min, utc.tm_sec, now.tv_nsec / 1'000'000);
}

std::string as_json(Level level, std::string_view message, Fields fields, std::string_view trace_id) {
    json::object line;
    line["ts"] = timestamp();
    line["level"] = level_name(level);
    line["msg"] = message;
    if (!trace_id.empty()) line["trace_id"] = trace_id;
    for (const Field& field : fields) {
        std::visit([&](const auto& value) { line[field.key] = value; }, field.value);
    }
    return json::serialize(line);
}

/// Control characters as \\x1b: a value cannot begin a line of its own, nor colour or move what a terminal shows.
void append_plain(std::string& line, std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        // U+0080 to U+009F, the second set of control characters, is C2 80 to C2 9F.
        const bool second_set = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (byte >= 0x20 && byte != 0x7f && !second_set) {
            line += text[i];
        } else if (second_set) {
            line += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
        } else {
            line += byte == '\n' ? std::string("\\n") : fmt::format("\\x{:02x}", byte);
        }
    }
}

std::string as_text(Level level, std::string_view message, Fields fields, std::string_view trace_id) {
    std::string line = fmt::format("{} {:<7} ", timestamp().substr(11, 12), level_name(level));
    append_plain(line, message);
    for (const Field& field : fields) {
        line += fmt::format("  {}=", field.key);
        std::visit([&](const auto& value) { append_plain(line, fmt::format("{}", value)); }, field.value);
    }
    if (!trace_id.empty()) append_plain(line, fmt::format("  trace={}", trace_id));
    return line;
}

}  // namespace

Result<Level> parse_level(std::string_view name) {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) return static_cast<Level>(i);
    }
    return fail(invalid_argument(fmt::format("'{}' is no log level; use debug, info, warning or error", name)));
}

void init(const Options& options) {
    if (!spdlog::thread_pool()) spdlog::init_thread_pool(kQueueLines, 1);
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (options.file.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
        sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    // Back-pressure from a log must never stall a request: the oldest queued line is overwritten instead.
    output.logger = std::make_shared<spdlog::async_logger>("atrium", sink, spdlog::thread_pool(),
                                                           spdlog::async_overflow_policy::overrun_oldest);
    output.logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
    output.logger->set_level(spdlog::level::trace);
    output.logger->flush_on(spdlog::level::info);
    output.format = options.format;
    minimum.store(options.level);
}

void shutdown() {
    if (!output.logger) return;
    output.logger->flush();
    output.logger.reset();
    spdlog::shutdown();
}

void set_level(Level level) { minimum.store(level); }
bool enabled(Level level) { return level >= minimum.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message, Fields fields, std::string_view trace_id) {
    if (!enabled(level)) return;
    const std::string line = output.format == Format::kJson && output.logger ? as_json(level, message, fields, trace_id)
                                                                             : as_text(level, message, fields, trace_id);
    if (output.logger) {
        output.logger->log(spdlog::level::info, spdlog::string_view_t(line));
    } else {
        fmt::print(stderr, "{}\n", line);
    }
}

}  // namespace atrium::log
