#include "model/engine/serving/openai_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "base/text.h"

namespace atrium::model {
namespace {

constexpr int kMaxChoices = 8;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxBiases = 1024;
constexpr std::size_t kMaxPrompts = 64;
constexpr std::size_t kMaxInputs = 2048;  // as the API documents
constexpr int kMaxTokens = 1 << 20;

Error wrong(const std::string& field, std::string_view rule) {
    return invalid_argument(fmt::format("'{}' {}", field, rule)).with_field(field);
}

Result<std::vector<std::string>> parse_stop(const json::Reader& reader) {
    std::vector<std::string> stops;
    const json::value* stop = reader.find("stop");
    if (!stop || stop->is_null()) return stops;
    if (stop->is_string()) {
        stops.emplace_back(stop->get_string());
    } else if (stop->is_array()) {
        for (const json::value& item : stop->get_array()) {
            if (!item.is_string()) return fail(wrong("stop", "must be a string or an array of strings"));
            stops.emplace_back(item.get_string());
        }
    } else {
        return fail(wrong("stop", "must be a string or an array of strings"));
    }
    if (stops.size() > kMaxStops) return fail(wrong("stop", "may hold at most 16 strings"));
    for (const std::string& text : stops) {
        if (text.empty() || text.size() > kMaxStopBytes) return fail(wrong("stop", "must hold strings of 1 to 256 bytes"));
    }
    return stops;
}

Result<> parse_logit_bias(const json::Reader& reader, SamplerSettings& sampling) {
    TRY_ASSIGN(const json::object* bias, reader.optional_object("logit_bias"));
    if (!bias) return {};
    if (bias->size() > kMaxBiases) return fail(wrong("logit_bias", "may hold at most 1024 tokens"));
    for (const auto& [key, value] : *bias) {
        const std::optional<std::int64_t> token = text::to_int(key);
        if (!token || *token < 0 || *token > INT32_MAX) return fail(wrong("logit_bias", "must map token ids to numbers"));
        TRY_ASSIGN(const std::optional<double> amount, json::Reader(*bias, "logit_bias").optional_number(key, -100, 100));
        if (amount) sampling.logit_bias.emplace_back(static_cast<Token>(*token), static_cast<float>(*amount));
    }
    return {};
}

Result<> parse_sampling(const json::Reader& reader, const RequestDefaults& defaults, SamplerSettings& sampling) {
    TRY_ASSIGN(const auto temperature, reader.optional_number("temperature", 0, 2));
    TRY_ASSIGN(const auto top_p, reader.optional_number("top_p", 0, 1));
    TRY_ASSIGN(const auto top_k, reader.optional_int("top_k", -1, 1'000'000));
    TRY_ASSIGN(const auto min_p, reader.optional_number("min_p", 0, 1));
    TRY_ASSIGN(const auto presence, reader.optional_number("presence_penalty", -2, 2));
    TRY_ASSIGN(const auto frequency, reader.optional_number("frequency_penalty", -2, 2));
    TRY_ASSIGN(const auto repetition, reader.optional_number("repetition_penalty", 0.01, 10));
    TRY_ASSIGN(const auto seed, reader.optional_int("seed", INT64_MIN, INT64_MAX));
    TRY_ASSIGN(const auto ignore_eos, reader.optional_bool("ignore_eos"));
    TRY_ASSIGN(auto grammar, reader.optional_string("grammar"));
    TRY(parse_logit_bias(reader, sampling));

    sampling.temperature = static_cast<float>(temperature.value_or(defaults.temperature));
    sampling.top_p = static_cast<float>(top_p.value_or(1));
    // Small models need their tail cut; a request that names any of the three filters gets exactly what it names.
    const bool silent = !top_p && !top_k && !min_p;
    sampling.top_k = static_cast<int>(std::max<std::int64_t>(top_k.value_or(silent ? 40 : 0), 0));
    sampling.min_p = static_cast<float>(min_p.value_or(silent ? 0.05 : 0));
    sampling.presence_penalty = static_cast<float>(presence.value_or(0));
    sampling.frequency_penalty = static_cast<float>(frequency.value_or(0));
    sampling.repetition_penalty = static_cast<float>(repetition.value_or(1));
    sampling.seed = seed ? static_cast<std::uint32_t>(*seed ^ (*seed >> 32)) : std::random_device{}();
    sampling.ban_end = ignore_eos.value_or(false);
    if (grammar) sampling.grammar.text = std::move(*grammar);
    return {};
}

Result<std::string> parse_response_format(const json::Reader& reader) {
    TRY_ASSIGN(const json::object* format, reader.optional_object("response_format"));
    if (!format) return std::string();
    const json::Reader inner(*format, "response_format");
    TRY_ASSIGN(const std::string type, inner.required_string("type"));
    if (type == "text") return std::string();
    if (type == "json_object") return std::string(R"({"type":"object"})");
    if (type != "json_schema") return fail(wrong("response_format.type", "must be 'text', 'json_object' or 'json_schema'"));
    TRY_ASSIGN(const json::object* wrapper, inner.required_object("json_schema"));
    TRY_ASSIGN(const json::object* schema, json::Reader(*wrapper, "response_format.json_schema").required_object("schema"));
    return json::serialize(*schema);
}

Result<AnswerOptions> parse_options(const json::Reader& reader, const RequestDefaults& defaults) {
    AnswerOptions options;
    TRY_ASSIGN(const auto max_new, reader.optional_int("max_completion_tokens", 1, kMaxTokens));
    TRY_ASSIGN(const auto max_old, reader.optional_int("max_tokens", 1, kMaxTokens));
    if (max_new || max_old) options.max_tokens = static_cast<int>(max_new ? *max_new : *max_old);
    TRY_ASSIGN(options.stop, parse_stop(reader));
    TRY_ASSIGN(const auto choices, reader.optional_int("n", 1, kMaxChoices));
    options.choices = static_cast<int>(choices.value_or(1));
    TRY_ASSIGN(const auto stream, reader.optional_bool("stream"));
    options.stream = stream.value_or(false);
    TRY_ASSIGN(const json::object* stream_options, reader.optional_object("stream_options"));
    if (stream_options) {
        if (!options.stream) return fail(wrong("stream_options", "is only allowed when 'stream' is true"));
        TRY_ASSIGN(const auto usage, json::Reader(*stream_options, "stream_options").optional_bool("include_usage"));
        options.include_usage = usage.value_or(false);
    }
    TRY(parse_sampling(reader, defaults, options.sampling));
    TRY_ASSIGN(options.json_schema, parse_response_format(reader));
    if (!options.json_schema.empty() && !options.sampling.grammar.text.empty()) {
        return fail(wrong("grammar", "cannot be combined with 'response_format'"));
    }
    TRY_ASSIGN(const auto salt, reader.optional_string("cache_salt"));
    options.tenant = salt.value_or("");
    return options;
}

Result<std::string> flatten_content(const json::value& content, const std::string& name) {
    if (content.is_string()) return std::string(content.get_string());
    if (content.is_null()) return std::string();
    if (!content.is_array()) return fail(wrong(name, "must be a string or an array of text parts"));
    std::string text;
    for (std::size_t i = 0; i < content.get_array().size(); ++i) {
        const std::string part_name = fmt::format("{}[{}]", name, i);
        const json::value& part = content.get_array()[i];
        if (!part.is_object()) return fail(wrong(part_name, "must be an object"));
        const json::Reader reader(part.get_object(), part_name);
        TRY_ASSIGN(const std::string type, reader.required_string("type"));
        if (type != "text" && type != "refusal") {
            return fail(invalid_argument(fmt::format("'{}.type' is '{}', but this model takes text only", part_name, type))
                            .with_field(part_name + ".type"));
        }
        TRY_ASSIGN(const std::string piece, reader.required_string(type));
        if (i > 0) text += '\n';
        text += piece;
    }
    return text;
}

Result<> parse_tools(const json::Reader& reader, ChatInput& input) {
    TRY_ASSIGN(const json::array* tools, reader.optional_array("tools"));
    TRY_ASSIGN(const auto parallel, reader.optional_bool("parallel_tool_calls"));
    input.parallel_tool_calls = parallel.value_or(true);
    if (!tools || tools->empty()) return {};
    json::array chosen = *tools;
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const std::string name = fmt::format("tools[{}]", i);
        if (!(*tools)[i].is_object()) return fail(wrong(name, "must be an object"));
        const json::Reader tool((*tools)[i].get_object(), name);
        TRY_ASSIGN(const std::string type, tool.required_string("type"));
        if (type != "function") return fail(wrong(name + ".type", "must be 'function'"));
        TRY_ASSIGN(const json::object* function, tool.required_object("function"));
        TRY(json::Reader(*function, name + ".function").required_string("name"));
    }
    const json::value* choice = reader.find("tool_choice");
    if (choice && choice->is_string()) {
        input.tool_choice = std::string(choice->get_string());
        if (input.tool_choice != "auto" && input.tool_choice != "none" && input.tool_choice != "required") {
            return fail(wrong("tool_choice", "must be 'none', 'auto', 'required' or a function"));
        }
    } else if (choice && choice->is_object()) {
        TRY_ASSIGN(const json::object* function, json::Reader(choice->get_object(), "tool_choice").required_object("function"));
        TRY_ASSIGN(const std::string name, json::Reader(*function, "tool_choice.function").required_string("name"));
        chosen.clear();
        for (const json::value& tool : *tools) {
            if (json::string_or(tool.at("function").as_object(), "name") == name) chosen.push_back(tool);
        }
        if (chosen.empty()) return fail(wrong("tool_choice", "names a function that is not among the tools"));
        input.tool_choice = "required";
    } else if (choice && !choice->is_null()) {
        return fail(wrong("tool_choice", "must be 'none', 'auto', 'required' or a function"));
    }
    input.tools_json = json::serialize(chosen);
    return {};
}

Result<ChatInput> parse_messages(const json::Reader& reader) {
    ChatInput input;
    TRY_ASSIGN(const json::array* messages, reader.required_array("messages"));
    TRY_ASSIGN(const json::array flat, flatten_messages(*messages));
    input.messages_json = json::serialize(flat);
    TRY(parse_tools(reader, input));
    TRY_ASSIGN(const auto effort, reader.optional_string("reasoning_effort"));
    if (effort == "none") input.enable_thinking = false;
    TRY_ASSIGN(const json::object* arguments, reader.optional_object("chat_template_kwargs"));
    if (arguments) {
        TRY_ASSIGN(const auto thinking, json::Reader(*arguments, "chat_template_kwargs").optional_bool("enable_thinking"));
        input.enable_thinking = thinking.value_or(input.enable_thinking);
    }
    return input;
}

bool is_token_list(const json::array& items) { return !items.empty() && items[0].is_number(); }

Result<std::vector<Token>> tokens_from(const json::array& items, const std::string& name) {
    std::vector<Token> tokens;
    tokens.reserve(items.size());
    for (const json::value& item : items) {
        boost::system::error_code error;
        const auto token = item.is_number() ? item.to_number<std::int32_t>(error) : -1;
        if (error || token < 0) return fail(wrong(name, "must hold token ids"));
        tokens.push_back(token);
    }
    return tokens;
}

/// "text", ["a", "b"], [1, 2, 3] or [[1, 2], [3]].
Result<std::vector<TextOrTokens>> parse_inputs(const json::Reader& reader, std::string_view key, std::size_t most) {
    constexpr std::string_view kRule = "must be a string, an array of strings, an array of token ids, or an array of such arrays";
    const std::string field = reader.name(key);
    std::vector<TextOrTokens> inputs;
    const json::value* found = reader.find(key);
    if (!found || found->is_null()) return fail(wrong(field, "is required"));
    if (found->is_string()) {
        inputs.emplace_back(std::string(found->get_string()));
    } else if (!found->is_array() || found->get_array().empty()) {
        return fail(wrong(field, kRule));
    } else if (is_token_list(found->get_array())) {
        TRY_ASSIGN(auto tokens, tokens_from(found->get_array(), field));
        inputs.emplace_back(std::move(tokens));
    } else {
        const json::array& items = found->get_array();
        if (items.size() > most) return fail(wrong(field, fmt::format("may hold at most {} entries", most)));
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (items[i].is_string()) {
                inputs.emplace_back(std::string(items[i].get_string()));
            } else if (items[i].is_array() && is_token_list(items[i].get_array())) {
                TRY_ASSIGN(auto tokens, tokens_from(items[i].get_array(), fmt::format("{}[{}]", field, i)));
                inputs.emplace_back(std::move(tokens));
            } else {
                return fail(wrong(field, kRule));
            }
        }
    }
    return inputs;
}

}  // namespace

Result<json::array> flatten_messages(const json::array& messages) {
    constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "tool", "function"};
    if (messages.empty()) return fail(wrong("messages", "must not be empty"));
    json::array flat;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const std::string name = fmt::format("messages[{}]", i);
        if (!messages[i].is_object()) return fail(wrong(name, "must be an object"));
        json::object message = messages[i].get_object();
        const json::Reader reader(message, name);
        TRY_ASSIGN(std::string role, reader.required_string("role"));
        if (std::ranges::find(kRoles, role) == kRoles.end()) {
            return fail(wrong(name + ".role", "must be 'system', 'developer', 'user', 'assistant' or 'tool'"));
        }
        TRY_ASSIGN(const json::array* calls, reader.optional_array("tool_calls"));
        const json::value* content = reader.find("content");
        if (role != "assistant" && !reader.has("content")) return fail(wrong(name + ".content", "is required"));
        if (role == "assistant" && !reader.has("content") && !calls) return fail(wrong(name + ".content", "or 'tool_calls' is required"));
        std::string text;
        if (content) {
            TRY_ASSIGN(text, flatten_content(*content, name + ".content"));
        }
        if (!calls) message.erase("tool_calls");
        message["role"] = role == "developer" ? "system" : role == "function" ? "tool" : role;
        message["content"] = text;
        flat.push_back(std::move(message));
    }
    return flat;
}

Result<ChatBody> parse_chat(const json::object& body, const RequestDefaults& defaults) {
    const json::Reader reader(body);
    ChatBody chat;
    TRY_ASSIGN(chat.options, parse_options(reader, defaults));
    TRY_ASSIGN(chat.input, parse_messages(reader));
    chat.input.json_schema = chat.options.json_schema;
    if (!chat.input.tools_json.empty() && chat.input.tool_choice != "none" && !chat.options.sampling.grammar.text.empty()) {
        return fail(wrong("grammar", "cannot be combined with 'tools'"));
    }
    TRY_ASSIGN(const auto logprobs, reader.optional_bool("logprobs"));
    TRY_ASSIGN(const auto top, reader.optional_int("top_logprobs", 0, 20));
    if (top && !logprobs.value_or(false)) return fail(wrong("top_logprobs", "requires 'logprobs' to be true"));
    if (logprobs.value_or(false)) chat.options.logprobs = static_cast<int>(top.value_or(0));
    // A model's usual stop strings (a blank line, say) may well occur inside a document that a grammar asks for.
    if (chat.options.json_schema.empty() && chat.options.sampling.grammar.text.empty()) {
        for (const std::string& stop : defaults.stop) chat.options.stop.push_back(stop);
    }
    return chat;
}

Result<CompletionBody> parse_completion(const json::object& body, const RequestDefaults& defaults) {
    const json::Reader reader(body);
    CompletionBody completion;
    TRY_ASSIGN(completion.options, parse_options(reader, defaults));
    TRY_ASSIGN(completion.prompts, parse_inputs(reader, "prompt", kMaxPrompts));
    TRY_ASSIGN(const auto echo, reader.optional_bool("echo"));
    completion.echo = echo.value_or(false);
    TRY_ASSIGN(const auto logprobs, reader.optional_int("logprobs", 0, 20));
    completion.options.logprobs = static_cast<int>(logprobs.value_or(-1));
    if (completion.echo && logprobs) return fail(wrong("echo", "cannot be combined with 'logprobs'"));
    TRY_ASSIGN(const auto suffix, reader.optional_string("suffix"));
    if (suffix && !suffix->empty()) return fail(wrong("suffix", "is not supported by this model"));
    TRY_ASSIGN(const auto best_of, reader.optional_int("best_of", 1, 20));
    if (best_of && *best_of != completion.options.choices) return fail(wrong("best_of", "must be equal to 'n'"));
    if (completion.prompts.size() * static_cast<std::size_t>(completion.options.choices) > kMaxPrompts) {
        return fail(wrong("n", "times the number of prompts may be at most 64"));
    }
    if (!completion.options.max_tokens) completion.options.max_tokens = 16;  // the API's documented default
    return completion;
}

Result<EmbeddingBody> parse_embedding(const json::object& body) {
    const json::Reader reader(body);
    EmbeddingBody embedding;
    TRY_ASSIGN(embedding.inputs, parse_inputs(reader, "input", kMaxInputs));
    TRY_ASSIGN(const auto format, reader.optional_string("encoding_format"));
    if (format && *format != "float" && *format != "base64") return fail(wrong("encoding_format", "must be 'float' or 'base64'"));
    embedding.base64 = format == "base64";
    TRY_ASSIGN(const auto dimensions, reader.optional_int("dimensions", 1, 1 << 20));
    if (dimensions) embedding.dimensions = static_cast<int>(*dimensions);
    return embedding;
}

Result<TokenizeBody> parse_tokenize(const json::object& body) {
    const json::Reader reader(body);
    TokenizeBody tokenize;
    TRY_ASSIGN(const auto special, reader.optional_bool("add_special_tokens"));
    tokenize.add_special = special.value_or(true);
    for (const std::string_view key : {"prompt", "content", "text"}) {
        if (!tokenize.text && reader.has(key)) {
            TRY_ASSIGN(tokenize.text, reader.optional_string(key));
        }
    }
    if (tokenize.text) return tokenize;
    if (!reader.has("messages")) return fail(wrong("prompt", "or 'messages' is required"));
    TRY_ASSIGN(tokenize.chat, parse_messages(reader));
    return tokenize;
}

Result<std::vector<Token>> parse_tokens(const json::Reader& reader, std::string_view key) {
    TRY_ASSIGN(const json::array* items, reader.required_array(key));
    return tokens_from(*items, reader.name(key));
}

}  // namespace atrium::model
