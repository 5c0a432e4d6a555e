#include "config/internal/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.h"

namespace atrium::config::internal {

Result<std::int64_t> parse_integer(const std::string& value, std::int64_t min, std::int64_t max) {
    const auto number = text::to_int(value);
    if (!number || *number < min || *number > max) {
        return fail(invalid_argument(fmt::format("must be an integer from {} to {}, not '{}'", min, max, value)));
    }
    return *number;
}

namespace {

/// "32MiB", "512 MB", "1048576".
Result<std::uint64_t> parse_size(const std::string& value, std::uint64_t min, std::uint64_t max) {
    const std::string_view trimmed = text::trim(value);
    const std::size_t digits = std::min(trimmed.find_first_not_of("0123456789"), trimmed.size());
    const auto number = text::to_int(trimmed.substr(0, digits));
    const std::string unit = text::to_lower_ascii(text::trim(trimmed.substr(digits)));
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 8> kUnits{{{"", 1}, {"b", 1}, {"kib", 1ull << 10}, {"kb", 1000},
        {"mib", 1ull << 20}, {"mb", 1000ull * 1000}, {"gib", 1ull << 30}, {"gb", 1000ull * 1000 * 1000}}};
    for (const auto& [name, factor] : kUnits) {
        if (!number || unit != name) continue;
        const std::uint64_t bytes = static_cast<std::uint64_t>(*number) * factor;
        if (static_cast<std::uint64_t>(*number) > max / factor || bytes < min || bytes > max) break;
        return bytes;
    }
    return fail(invalid_argument(fmt::format("must be a size from {} to {} bytes such as 32MiB, not '{}'", min, max, value)));
}

/// "30s", "5m", "2h", or plain seconds.
Result<std::chrono::seconds> parse_seconds(const std::string& value, std::int64_t max) {
    std::string digits = value;
    std::int64_t factor = 1;
    if (!digits.empty()) {
        const char unit = digits.back();
        if (unit == 's' || unit == 'm' || unit == 'h') {
            factor = unit == 's' ? 1 : unit == 'm' ? 60 : 3600;
            digits.pop_back();
        }
    }
    const auto number = text::to_int(digits);
    if (!number || *number < 0 || *number > max / factor) {
        return fail(invalid_argument(fmt::format("must be a duration of at most {} s such as 30s or 5m, not '{}'", max, value)));
    }
    return std::chrono::seconds(*number * factor);
}

}  // namespace

Result<bool> parse_bool(const std::string& value) {
    if (value == "true" || value == "yes" || value == "on") return true;
    if (value == "false" || value == "no" || value == "off") return false;
    return fail(invalid_argument(fmt::format("must be true or false, not '{}'", value)));
}

std::vector<std::string> parse_list(const std::string& value) {
    std::vector<std::string> items;
    for (const std::string_view part : text::split(value, ',')) {
        if (const std::string_view item = text::trim(part); !item.empty()) items.emplace_back(item);
    }
    return items;
}

namespace {

// Builders for the rows of the table below: one per type.
using Apply = std::function<Result<>(Settings&, const std::string&)>;

template <class Pick>
Apply text_into(Pick pick) {
    return [pick](Settings& s, const std::string& v) -> Result<> { pick(s) = v; return {}; };
}
template <class Pick>
Apply integer_into(Pick pick, std::int64_t min, std::int64_t max) {
    return [=](Settings& s, const std::string& v) -> Result<> {
        TRY_ASSIGN(const std::int64_t number, parse_integer(v, min, max));
        pick(s) = static_cast<std::remove_reference_t<decltype(pick(s))>>(number);
        return {};
    };
}
template <class Pick>
Apply size_into(Pick pick, std::uint64_t min, std::uint64_t max) {
    return [=](Settings& s, const std::string& v) -> Result<> { TRY_ASSIGN(pick(s), parse_size(v, min, max)); return {}; };
}
template <class Pick>
Apply bool_into(Pick pick) {
    return [pick](Settings& s, const std::string& v) -> Result<> { TRY_ASSIGN(pick(s), parse_bool(v)); return {}; };
}
template <class Pick>
Apply choice_into(Pick pick, std::vector<std::string> choices) {
    return [=](Settings& s, const std::string& v) -> Result<> {
        if (std::ranges::find(choices, v) == choices.end()) {
            return fail(invalid_argument(fmt::format("must be one of {}, not '{}'", fmt::join(choices, ", "), v)));
        }
        pick(s) = v;
        return {};
    };
}
template <class Pick>
Apply scheme_into(Pick pick, std::vector<std::string> schemes) {
    return [=](Settings& s, const std::string& v) -> Result<> {
        for (const std::string& scheme : schemes) {
            if (v.starts_with(scheme + "://") && v.size() > scheme.size() + 3) { pick(s) = v; return {}; }
        }
        return fail(invalid_argument(fmt::format("must start with {}://", fmt::join(schemes, ":// or "))));
    };
}

Result<> apply_cache(Settings& settings, const std::string& value) {
    const bool redis = (value.starts_with("redis://") || value.starts_with("unix://")) && value.size() > 8;
    if (value != "memory://" && !redis) return fail(invalid_argument("must be memory:// or redis://host:port"));
    settings.storage.cache = value;
    return {};
}

Result<> apply_listen(Settings& settings, const std::string& value) {
    const std::size_t colon = value.rfind(':');
    if (colon == std::string::npos || colon == 0 || !parse_integer(value.substr(colon + 1), 0, 65535)) {
        return fail(invalid_argument(fmt::format("must be address:port such as 127.0.0.1:8080, not '{}'", value)));
    }
    settings.server.listen = value;
    return {};
}

}  // namespace

const std::vector<KeySpec>& scalar_keys() {
    constexpr std::uint64_t kKiB = 1024;
    constexpr std::uint64_t kGiB = kKiB * kKiB * kKiB;
    static const std::vector<KeySpec> keys{
        {"server.listen", "address:port", "127.0.0.1:8080",
         "Where API, console, health and metrics are served. Use 0.0.0.0 only behind TLS and a firewall.", apply_listen},
        {"server.threads", "integer", "2", "I/O threads.", integer_into([](Settings& s) -> int& { return s.server.threads; }, 1, 256)},
        {"server.max_body_bytes", "size", "32MiB", "Largest JSON request; larger ones get 413.",
         size_into([](Settings& s) -> std::uint64_t& { return s.server.max_body_bytes; }, kKiB, 4 * kGiB)},
        {"server.max_upload_bytes", "size", "512MiB", "Largest uploaded file.",
         size_into([](Settings& s) -> std::uint64_t& { return s.server.max_upload_bytes; }, kKiB, 1024 * kGiB)},
        {"server.drain_timeout", "duration", "30s", "How long SIGTERM waits for running requests before it ends them.",
         [](Settings& s, const std::string& v) -> Result<> { TRY_ASSIGN(s.server.drain_timeout, parse_seconds(v, 3600)); return {}; }},
        {"server.allowed_origins", "list", "", "Web origins other than this server that may call the API (CORS).",
         [](Settings& s, const std::string& v) -> Result<> { s.server.allowed_origins = parse_list(v); return {}; }},
        {"storage.database", "url", "sqlite:///atrium.db",
         "State: sqlite:///FILE (relative to the home folder) or postgresql://user:password@host/name.",
         scheme_into([](Settings& s) -> std::string& { return s.storage.database; }, {"sqlite", "postgresql"}), true},
        {"storage.files", "url", "file:///files", "Uploaded files: file:///FOLDER (relative to the home folder).",
         scheme_into([](Settings& s) -> std::string& { return s.storage.files; }, {"file"})},
        {"storage.cache", "url", "memory://",
         "What gateways of one installation share: memory:// (one gateway) or redis://[user:password@]host[:port][/number].",
         apply_cache, true},
        {"log.level", "choice", "info", "debug, info, warning or error.",
         choice_into([](Settings& s) -> std::string& { return s.log.level; }, {"debug", "info", "warning", "error"})},
        {"log.format", "choice", "json", "json (one object per line) or text.",
         choice_into([](Settings& s) -> std::string& { return s.log.format; }, {"json", "text"})},
        {"log.file", "path", "", "Where log lines go; empty is standard error.",
         text_into([](Settings& s) -> std::string& { return s.log.file; })},
        {"limits.requests_per_minute", "integer", "600", "Requests per minute and API key; 0 is unlimited.",
         integer_into([](Settings& s) -> int& { return s.limits.requests_per_minute; }, 0, 100'000'000)},
        {"limits.concurrent", "integer", "32", "Requests at once per API key; 0 is unlimited.",
         integer_into([](Settings& s) -> int& { return s.limits.concurrent; }, 0, 1'000'000)},
        {"limits.tokens_per_minute", "integer", "0", "Tokens per minute and API key, read and written; 0 is unlimited.",
         integer_into([](Settings& s) -> std::int64_t& { return s.limits.tokens_per_minute; }, 0, 1'000'000'000'000)},
        {"limits.default_output_tokens", "integer", "1024",
         "Tokens set aside for an answer whose request names no maximum; the rest is given back when it is there.",
         integer_into([](Settings& s) -> int& { return s.limits.default_output_tokens; }, 0, 1'000'000)},
        {"usage.keep_calls_days", "integer", "90", "How long single calls are kept; their sums stay.",
         integer_into([](Settings& s) -> int& { return s.usage.keep_calls_days; }, 1, 36500)},
        {"usage.keep_hours_days", "integer", "400", "How long hourly sums are kept; daily sums stay.",
         integer_into([](Settings& s) -> int& { return s.usage.keep_hours_days; }, 2, 36500)},
        {"knowledge.embedding_model", "text", "", "Model for new knowledge bases; empty is the first embedding model.",
         text_into([](Settings& s) -> std::string& { return s.knowledge.embedding_model; })},
        {"knowledge.answer_model", "text", "", "Model that words answers; empty is the first chat model.",
         text_into([](Settings& s) -> std::string& { return s.knowledge.answer_model; })},
        {"knowledge.chunk_tokens", "integer", "300", "Largest passage, in estimated tokens.",
         integer_into([](Settings& s) -> int& { return s.knowledge.chunk_tokens; }, 50, 4096)},
        {"knowledge.chunk_overlap_tokens", "integer", "0", "Overlap of neighbouring passages.",
         integer_into([](Settings& s) -> int& { return s.knowledge.chunk_overlap_tokens; }, 0, 2048)},
        {"knowledge.sample", "boolean", "true", "Create the sample knowledge base at the first start.",
         bool_into([](Settings& s) -> bool& { return s.knowledge.sample; })},
    };
    return keys;
}

const std::vector<ListSpec>& list_keys() {
    static const std::vector<ListSpec> lists{
        {"models",
         {{"name", "text", "", "An installed model, as `atrium list` shows it. Without a models list, all are started.", true},
          {"context", "integer", "8192", "Tokens of KV cache, shared by all slots."},
          {"slots", "integer", "8", "Requests decoded at once."},
          {"threads", "integer", "0", "CPU threads; 0 is all."}}},
        upstream_spec(),
        alias_spec(),
        rate_limit_spec(),
        budget_spec(),
        price_spec(),
    };
    return lists;
}

void apply_lists(const Document& document, const std::map<std::string, std::string>& environment, Settings& settings,
                 std::vector<std::string>& problems) {
    const auto each = [&](const std::string& key, const auto& take) {
        const auto found = document.lists.find(key);
        if (found == document.lists.end()) return;
        for (const Document::Item& item : found->second) {
            const auto field = [&](const std::string& name, const std::string& fallback) {
                const auto at = item.fields.find(name);
                if (at == item.fields.end()) return fallback;
                const Result<std::string> plain = resolve_references(at->second.value, environment);
                if (plain) return *plain;
                problems.push_back(fmt::format("{}: '{}' {}", at->second.where, name, plain.error().message()));
                return fallback;
            };
            const auto integer = [&](const std::string& name, int fallback, int min, int max) {
                const Result<std::int64_t> number = parse_integer(field(name, std::to_string(fallback)), min, max);
                if (number) return static_cast<int>(*number);
                problems.push_back(fmt::format("{}: '{}' {}", item.where, name, number.error().message()));
                return fallback;
            };
            take(item, field, integer);
        }
    };
    each("models", [&](const Document::Item&, const auto& field, const auto& integer) {
        settings.models.push_back({field("name", ""), integer("context", 8192, 256, 1 << 20), integer("slots", 8, 1, 128),
                                   integer("threads", 0, 0, 1024)});
    });
    const auto routed = [&](const std::string& key, const auto& take) {
        const auto found = document.lists.find(key);
        if (found == document.lists.end()) return;
        for (const Document::Item& item : found->second) take(item);
    };
    routed("upstreams", [&](const Document::Item& item) {
        settings.upstreams.push_back(take_upstream(item, &environment, problems));
    });
    routed("aliases", [&](const Document::Item& item) { settings.aliases.push_back(take_alias(item, problems)); });
    check_names(settings, problems);
    take_metering(document, settings, problems);
}

Result<std::string> resolve_references(const std::string& value, const std::map<std::string, std::string>& environment) {
    std::string out;
    std::size_t at = 0;
    while (true) {
        const std::size_t start = value.find("${", at);
        out += value.substr(at, start - at);
        if (start == std::string::npos) return out;
        const std::size_t end = value.find('}', start);
        if (end == std::string::npos) return fail(invalid_argument("has a '${' without '}'"));
        const std::string reference = value.substr(start + 2, end - start - 2);
        if (reference.starts_with("env:")) {
            const auto found = environment.find(reference.substr(4));
            if (found == environment.end()) {
                return fail(invalid_argument(fmt::format("refers to the environment variable {}, which is not set", reference.substr(4))));
            }
            out += found->second;
        } else if (reference.starts_with("file:")) {
            std::ifstream in(reference.substr(5), std::ios::binary);
            if (!in) return fail(invalid_argument(fmt::format("refers to the file {}, which cannot be read", reference.substr(5))));
            std::string content((std::istreambuf_iterator<char>(in)), {});
            while (content.ends_with('\n') || content.ends_with('\r')) content.pop_back();
            out += content;
        } else {
            return fail(invalid_argument(fmt::format("has '${{{}}}'; use ${{env:NAME}} or ${{file:PATH}}", reference)));
        }
        at = end + 1;
    }
}

std::string suggestion(std::string_view unknown_key) {
    std::vector<std::string_view> known;
    for (const KeySpec& spec : scalar_keys()) known.push_back(spec.key);
    for (const ListSpec& list : list_keys()) known.push_back(list.key);
    const auto near = text::closest(unknown_key, known);
    return near ? fmt::format(", did you mean '{}'?", *near) : "";
}

std::string absolute_path(const std::string& path) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    return error ? path : absolute.lexically_normal().string();
}

}  // namespace atrium::config::internal
