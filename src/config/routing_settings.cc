// The entries of `upstreams` and `aliases`: declared, read and written here, for the file and for the API alike.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "config/internal/registry.h"

namespace atrium::config {
namespace internal {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kDayMs = 24 * 3'600'000;
constexpr std::size_t kMaxArms = 32;
constexpr std::size_t kMaxModels = 1000;
constexpr double kMaxWeight = 1'000'000;
// What model/upstream/dialects.cc lists; it stands above this layer and cannot be asked.
constexpr std::array<std::string_view, 10> kDialects{"openai", "openai-responses", "anthropic", "gemini", "azure",
                                                     "ollama", "kserve",           "cohere",    "jina",   "tei"};

/// "500ms", "30s", "5m", "2h", or plain seconds.
Result<milliseconds> parse_duration(const std::string& value, std::int64_t min_ms, std::int64_t max_ms) {
    const std::size_t digits = std::min(value.find_first_not_of("0123456789"), value.size());
    const std::string_view unit = std::string_view(value).substr(digits);
    const auto number = text::to_int(std::string_view(value).substr(0, digits));
    const std::int64_t factor = unit == "ms"                ? 1
                                : unit == "s" || unit == "" ? 1'000
                                : unit == "m"               ? 60'000
                                : unit == "h"               ? 3'600'000
                                                            : 0;
    if (!number || factor == 0 || *number > max_ms / factor || *number * factor < min_ms) {
        return fail(invalid_argument(fmt::format(
            "must be a duration from {} ms to {} s such as 500ms, 30s or 5m, not '{}'", min_ms, max_ms / 1000, value)));
    }
    return milliseconds(*number * factor);
}

/// The fields of one object, with their problems.
class Fields {
public:
    Fields(const Document::Item& item, const Environment* environment, std::vector<std::string>& problems)
        : item_(item), environment_(environment), problems_(problems) {}

    bool has(const std::string& name) const { return item_.fields.contains(name); }

    std::string text(const std::string& name, std::string fallback = {}) {
        const auto at = item_.fields.find(name);
        if (at == item_.fields.end()) return fallback;
        if (environment_ == nullptr) return at->second.value;
        auto plain = resolve_references(at->second.value, *environment_);
        if (plain) return std::move(*plain);
        problem(name, plain.error().message());
        return fallback;
    }
    double number(const std::string& name, double fallback, double max) {
        if (!has(name)) return fallback;
        const std::string value = text(name);
        const auto parsed = text::to_double(value);
        if (parsed && std::isfinite(*parsed) && *parsed >= 0 && *parsed <= max) return *parsed;
        problem(name, fmt::format("must be a number from 0 to {}, not '{}'", max, value));
        return fallback;
    }
    int integer(const std::string& name, int fallback, int max) {
        if (!has(name)) return fallback;
        const auto parsed = parse_integer(text(name), 0, max);
        if (parsed) return static_cast<int>(*parsed);
        problem(name, parsed.error().message());
        return fallback;
    }
    void duration(const std::string& name, milliseconds& into, std::int64_t min_ms = 1) {
        if (!has(name)) return;
        const auto parsed = parse_duration(text(name), min_ms, kDayMs);
        if (parsed) {
            into = *parsed;
        } else {
            problem(name, parsed.error().message());
        }
    }
    bool boolean(const std::string& name, bool fallback) {
        if (!has(name)) return fallback;
        const auto parsed = parse_bool(text(name));
        if (parsed) return *parsed;
        problem(name, parsed.error().message());
        return fallback;
    }
    std::vector<std::string> list(const std::string& name, std::size_t max) {
        auto items = parse_list(text(name));
        if (items.size() > max) problem(name, fmt::format("must have at most {} entries", max));
        return items;
    }
    void problem(const std::string& name, std::string_view sentence) {
        const auto at = item_.fields.find(name);
        const std::string& where = at != item_.fields.end() ? at->second.where : item_.where;
        problems_.push_back(where.empty() ? fmt::format("'{}' {}", name, sentence)
                                          : fmt::format("{}: '{}' {}", where, name, sentence));
    }

private:
    const Document::Item& item_;
    const Environment* environment_;
    std::vector<std::string>& problems_;
};

/// Names become metric labels, parts of ids and of paths.
bool is_tame(std::string_view name, std::size_t max, std::string_view also) {
    if (name.empty() || name.size() > max) return false;
    return std::ranges::all_of(name, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.' || also.find(c) != std::string_view::npos;
    });
}

bool is_reference(const std::string& key) {
    return (key.starts_with("${env:") || key.starts_with("${file:")) && key.find('}') == key.size() - 1;
}

const std::vector<Document::Item>& sub_items(const Document::Item& item, const std::string& key) {
    static const std::vector<Document::Item> kNone;
    const auto found = item.lists.find(key);
    return found == item.lists.end() ? kNone : found->second;
}

}  // namespace

const ListSpec& upstream_spec() {
    static const ListSpec spec{
        "upstreams",
        {{"name", "text", "", "How this installation calls it; letters, digits, '-', '_', '.'; not 'local'.", true},
         {"dialect", "choice", "openai",
          "What it speaks: openai, openai-responses, anthropic, gemini, azure, ollama, kserve, cohere, jina or tei."},
         {"url", "url", "", "Its base address; for openai with /v1.", true},
         {"api_version", "text", "", "Azure's api-version or Anthropic's anthropic-version; empty: the usual one."},
         {"key", "secret", "", "Its API key, as ${env:NAME} or ${file:PATH}."},
         {"models", "list", "", "The models it serves. Each is also callable as NAME/MODEL."},
         {"weight", "number 0–1000000", "1",
          "Its share of a model that several upstreams serve; 0 takes calls only as NAME/MODEL or through an alias."},
         {"retries", "integer 0–10", "2", "Further attempts after a failure that another attempt may cure."},
         {"max_concurrent", "integer 0–100000", "0",
          "Calls at once; the surplus goes to others or gets 429. 0 is unlimited."},
         {"deadlines.connect", "duration", "3s", "Until the connection stands."},
         {"deadlines.ttft", "duration", "10m",
          "Until the first content of the answer; then another upstream is tried."},
         {"deadlines.idle", "duration", "2m", "Between two pieces of an answer."},
         {"deadlines.total", "duration", "1h", "Until the end of the answer."},
         {"health_check.path", "path", "", "Asked by GET at regular times, such as /health; empty: no active checks."},
         {"health_check.interval", "duration", "10s", "How often."},
         {"price.input", "number", "", "US dollars per million prompt tokens; orders upstreams under strategy 'cost'."},
         {"price.output", "number", "", "US dollars per million completion tokens."}}};
    return spec;
}

const ListSpec& alias_spec() {
    static const ListSpec spec{
        "aliases",
        {{"name", "text", "", "The model name that callers use.", true},
         {"strategy", "choice", "weighted",
          "How an arm is chosen: weighted, least_outstanding, latency, cost, ordered or prefix."},
         {"sticky", "boolean", "true", "Keep one conversation, user or key on its arm; more weight moves nobody back."},
         {"fallbacks.rate_limit", "list", "", "Targets asked in this order when the arms answer 429."},
         {"fallbacks.context_length", "list", "", "Targets asked when the prompt is too long for the arm."},
         {"fallbacks.content", "list", "", "Targets asked when the arm refuses the content."},
         {"fallbacks.outage", "list", "", "Targets asked when the arms fail, time out or cannot be reached."}},
        {{"arms",
          {{"target", "text", "", "A model, or UPSTREAM/MODEL.", true},
           {"weight", "number 0–1000000", "1", "Its share; 0 is nobody."}},
          {}},
         {"shadow",
          {{"target", "text", "", "A model, or UPSTREAM/MODEL, that gets copies of requests; its answers are dropped.",
            true},
           {"percent", "number 0–100", "0", "How many of the requests are copied."}},
          {}}}};
    return spec;
}

UpstreamSettings take_upstream(const Document::Item& item, const Environment* environment,
                               std::vector<std::string>& problems) {
    Fields fields(item, environment, problems);
    UpstreamSettings upstream;
    upstream.name = fields.text("name");
    if (fields.has("name") && (!is_tame(upstream.name, 64, "") || upstream.name == "local")) {
        fields.problem("name", "must be 1 to 64 letters, digits, '-', '_' or '.', and not 'local'");
    }
    upstream.dialect = fields.text("dialect", "openai");
    if (std::ranges::find(kDialects, upstream.dialect) == kDialects.end()) {
        fields.problem("dialect",
                       fmt::format("must be one of {}, not '{}'", fmt::join(kDialects, ", "), upstream.dialect));
    }
    upstream.api_version = fields.text("api_version");
    if (!upstream.api_version.empty() && !is_tame(upstream.api_version, 64, "")) {
        fields.problem("api_version", "must be 1 to 64 letters, digits, '-', '_' or '.'");
    }
    upstream.url = fields.text("url");
    upstream.key = fields.text("key");
    if (environment == nullptr && !upstream.key.empty() && !is_reference(upstream.key)) {
        fields.problem("key", "must be a reference, ${env:NAME} or ${file:PATH}: keys are not stored");
    }
    upstream.models = fields.list("models", kMaxModels);
    upstream.weight = fields.number("weight", 1, kMaxWeight);
    upstream.retries = fields.integer("retries", 2, 10);
    upstream.max_concurrent = fields.integer("max_concurrent", 0, 100'000);
    fields.duration("deadlines.connect", upstream.deadlines.connect);
    fields.duration("deadlines.ttft", upstream.deadlines.ttft);
    fields.duration("deadlines.idle", upstream.deadlines.idle);
    fields.duration("deadlines.total", upstream.deadlines.total);
    upstream.health_check.path = fields.text("health_check.path");
    if (!upstream.health_check.path.empty() && !upstream.health_check.path.starts_with('/')) {
        fields.problem("health_check.path", "must begin with '/'");
    }
    fields.duration("health_check.interval", upstream.health_check.interval, 100);
    if (fields.has("price.input") || fields.has("price.output")) {
        upstream.price =
            PriceSettings{fields.number("price.input", 0, kMaxWeight), fields.number("price.output", 0, kMaxWeight)};
    }
    return upstream;
}

AliasSettings take_alias(const Document::Item& item, std::vector<std::string>& problems) {
    Fields fields(item, nullptr, problems);
    AliasSettings alias;
    alias.name = fields.text("name");
    if (fields.has("name") && !is_tame(alias.name, 128, ":")) {
        fields.problem("name", "must be 1 to 128 letters, digits, '-', '_', '.' or ':'");
    }
    alias.strategy = fields.text("strategy", "weighted");
    if (std::ranges::find(alias_strategies(), alias.strategy) == alias_strategies().end()) {
        fields.problem("strategy",
                       fmt::format("must be one of {}, not '{}'", fmt::join(alias_strategies(), ", "), alias.strategy));
    }
    alias.sticky = fields.boolean("sticky", true);
    alias.fallbacks = {fields.list("fallbacks.rate_limit", kMaxArms), fields.list("fallbacks.context_length", kMaxArms),
                       fields.list("fallbacks.content", kMaxArms), fields.list("fallbacks.outage", kMaxArms)};
    double total = 0;
    for (const auto& part : sub_items(item, "arms")) {
        Fields arm(part, nullptr, problems);
        alias.arms.push_back({arm.text("target"), arm.number("weight", 1, kMaxWeight)});
        total += alias.arms.back().weight;
    }
    if (alias.arms.empty() || alias.arms.size() > kMaxArms || total <= 0) {
        fields.problem("arms", fmt::format("must be 1 to {} targets, at least one of them with a weight", kMaxArms));
    }
    for (const auto& part : sub_items(item, "shadow")) {
        Fields shadow(part, nullptr, problems);
        alias.shadow.push_back({shadow.text("target"), shadow.number("percent", 0, 100)});
    }
    if (alias.shadow.size() > 4) fields.problem("shadow", "must have at most 4 targets");
    return alias;
}

void check_names(const Settings& settings, std::vector<std::string>& problems) {
    std::set<std::string_view> upstreams;
    for (const auto& upstream : settings.upstreams) {
        if (!upstream.name.empty() && !upstreams.insert(upstream.name).second) {
            problems.push_back(fmt::format("'upstreams' has the name '{}' twice", upstream.name));
        }
    }
    std::set<std::string_view> aliases;
    for (const auto& alias : settings.aliases) {
        if (!alias.name.empty() && !aliases.insert(alias.name).second) {
            problems.push_back(fmt::format("'aliases' has the name '{}' twice", alias.name));
        }
    }
}

}  // namespace internal

namespace {

Error all_of(const std::vector<std::string>& problems) {
    return invalid_argument(fmt::format("{}", fmt::join(problems, "; ")));
}

json::array to_array(const std::vector<std::string>& items) {
    return json::array(items.begin(), items.end());
}

std::string in_ms(std::chrono::milliseconds duration) {
    return fmt::format("{}ms", duration.count());
}

}  // namespace

const std::vector<std::string>& alias_strategies() {
    static const std::vector<std::string> names{"weighted", "least_outstanding", "latency",
                                                "cost",     "ordered",           "prefix"};
    return names;
}

Result<UpstreamSettings> upstream_from_json(const json::object& object) {
    std::vector<std::string> problems;
    TRY_ASSIGN(const auto item, internal::read_item(internal::upstream_spec(), json::serialize(object), problems));
    auto upstream = internal::take_upstream(item, nullptr, problems);
    if (!problems.empty()) return fail(all_of(problems));
    return upstream;
}

Result<AliasSettings> alias_from_json(const json::object& object) {
    std::vector<std::string> problems;
    TRY_ASSIGN(const auto item, internal::read_item(internal::alias_spec(), json::serialize(object), problems));
    auto alias = internal::take_alias(item, problems);
    if (!problems.empty()) return fail(all_of(problems));
    return alias;
}

json::object to_json(const UpstreamSettings& upstream) {
    const auto& deadlines = upstream.deadlines;
    json::object object{{"name", upstream.name},
                        {"dialect", upstream.dialect},
                        {"url", upstream.url},
                        {"key", upstream.key.empty() ? json::value(nullptr) : json::value(upstream.key)},
                        {"models", to_array(upstream.models)},
                        {"weight", upstream.weight},
                        {"retries", upstream.retries},
                        {"max_concurrent", upstream.max_concurrent},
                        {"deadlines", json::object{{"connect", in_ms(deadlines.connect)},
                                                   {"ttft", in_ms(deadlines.ttft)},
                                                   {"idle", in_ms(deadlines.idle)},
                                                   {"total", in_ms(deadlines.total)}}}};
    if (!upstream.api_version.empty()) object["api_version"] = upstream.api_version;
    if (!upstream.health_check.path.empty()) {
        object["health_check"] =
            json::object{{"path", upstream.health_check.path}, {"interval", in_ms(upstream.health_check.interval)}};
    }
    if (upstream.price)
        object["price"] = json::object{{"input", upstream.price->input}, {"output", upstream.price->output}};
    return object;
}

json::object to_json(const AliasSettings& alias) {
    json::array arms;
    for (const auto& arm : alias.arms) arms.push_back(json::object{{"target", arm.target}, {"weight", arm.weight}});
    json::array shadow;
    for (const auto& copy : alias.shadow) {
        shadow.push_back(json::object{{"target", copy.target}, {"percent", copy.percent}});
    }
    return {{"name", alias.name},
            {"arms", std::move(arms)},
            {"strategy", alias.strategy},
            {"sticky", alias.sticky},
            {"fallbacks", json::object{{"rate_limit", to_array(alias.fallbacks.rate_limit)},
                                       {"context_length", to_array(alias.fallbacks.context_length)},
                                       {"content", to_array(alias.fallbacks.content)},
                                       {"outage", to_array(alias.fallbacks.outage)}}},
            {"shadow", std::move(shadow)}};
}

Result<std::string> resolve_secret(const std::string& text, const std::map<std::string, std::string>& environment) {
    return internal::resolve_references(text, environment);
}

}  // namespace atrium::config
