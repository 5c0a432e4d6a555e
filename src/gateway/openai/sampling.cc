#include "gateway/openai/sampling.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/text.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxStops = 4;

Result<> check_stop(const json::Reader& body) {
    if (!body.has("stop")) return {};
    const auto& stop = *body.find("stop");
    if (stop.is_string()) {
        if (stop.get_string().empty()) return refuse(body.name("stop"), "must not be empty");
        return {};
    }
    if (!stop.is_array()) return refuse(body.name("stop"), "must be a string or an array of strings");
    const auto& stops = stop.get_array();
    if (stops.size() > kMaxStops)
        return refuse(body.name("stop"), fmt::format("must have at most {} entries", kMaxStops));
    for (std::size_t i = 0; i < stops.size(); ++i) {
        if (!stops[i].is_string() || stops[i].get_string().empty()) {
            return refuse(fmt::format("{}[{}]", body.name("stop"), i), "must be a string that is not empty");
        }
    }
    return {};
}

Result<> check_logit_bias(const json::Reader& body) {
    TRY_ASSIGN(const auto* bias, body.optional_object("logit_bias"));
    if (bias == nullptr) return {};
    for (const auto& [token, value] : *bias) {
        const auto field = body.name("logit_bias");
        if (!text::to_int(token)) return refuse(field, "must map token ids to numbers");
        if (!value.is_number() || value.to_number<double>() < -100 || value.to_number<double>() > 100) {
            return refuse(field, "must have values from -100 to 100");
        }
    }
    return {};
}

}  // namespace

Result<> check_word(const json::Reader& object, std::string_view key, std::initializer_list<std::string_view> words) {
    TRY_ASSIGN(const auto word, object.optional_string(key));
    if (!word || std::find(words.begin(), words.end(), *word) != words.end()) return {};
    std::string rule = "must be one of ";
    for (const auto choice : words) rule.append(choice == *words.begin() ? "'" : ", '").append(choice).append("'");
    return refuse(object.name(key), rule);
}

Result<std::string> check_model(const json::Reader& body) {
    TRY_ASSIGN(auto model, body.required_string("model"));
    if (model.empty() || model.size() > 256) return refuse(body.name("model"), "must be 1 to 256 bytes long");
    return model;
}

Result<bool> check_sampling(const json::Reader& body) {
    constexpr auto kAnyMin = std::numeric_limits<std::int64_t>::min();
    constexpr auto kAnyMax = std::numeric_limits<std::int64_t>::max();
    TRY(body.optional_number("temperature", 0, 2));
    TRY(body.optional_number("top_p", 0, 1));
    TRY(body.optional_number("frequency_penalty", -2, 2));
    TRY(body.optional_number("presence_penalty", -2, 2));
    TRY(body.optional_int("seed", kAnyMin, kAnyMax));
    TRY(body.optional_int("n", 1, 128));
    TRY(body.optional_string("user"));
    TRY(check_stop(body));
    TRY(check_logit_bias(body));
    TRY_ASSIGN(const auto stream, body.optional_bool("stream"));
    TRY_ASSIGN(const auto* options, body.optional_object("stream_options"));
    if (options != nullptr) {
        if (!stream.value_or(false))
            return refuse(body.name("stream_options"), "is only allowed when 'stream' is true");
        TRY(json::Reader(*options, body.name("stream_options")).optional_bool("include_usage"));
    }
    return stream.value_or(false);
}

}  // namespace atrium::gateway
