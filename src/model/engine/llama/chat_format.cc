#include <chat.h>
#include <fmt/format.h>
#include <json-schema-to-grammar.h>

#include <algorithm>
#include <set>

#include "model/engine/llama/llama_model.h"

namespace atrium::model::llama {
namespace {

constexpr std::size_t kMaxSchemaBytes = 64 * 1024;

Error refused(std::string message, const std::exception& error) {
    return invalid_argument(std::move(message)).with_cause(unknown_error(error.what()));
}

class LlamaOutputParser final : public OutputParser {
public:
    explicit LlamaOutputParser(const common_chat_params& params, bool with_tools) : params_(params) {
        params_.parser.load(params.parser);
        params_.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
        params_.parse_tool_calls = with_tools;
    }

    Result<ChatMessage> parse(const std::string& text, bool partial) const override {
        try {
            const common_chat_msg parsed = common_chat_parse(text, partial, params_);
            ChatMessage message{parsed.content, parsed.reasoning_content, {}};
            for (const common_chat_tool_call& call : parsed.tool_calls) message.tool_calls.push_back({call.name, call.arguments});
            return message;
        } catch (const std::exception& error) {
            return fail(invalid_argument("the model's output does not have the expected form").with_cause(unknown_error(error.what())));
        }
    }

private:
    common_chat_parser_params params_;
};

class LlamaChatFormat final : public ChatFormat {
public:
    LlamaChatFormat(const llama_model* model, common_chat_templates_ptr templates) : model_(model), templates_(std::move(templates)) {
        if (!templates_) return;
        const auto caps = common_chat_templates_get_caps(templates_.get());
        tools_ = caps.at("supports_tools") && caps.at("supports_tool_calls");
        thinking_ = common_chat_templates_support_enable_thinking(templates_.get());
    }
    bool available() const { return templates_ != nullptr; }
    bool tools() const { return tools_; }

    Result<ChatPrompt> render(const ChatInput& input) const override;
    Result<std::string> grammar_from_schema(std::string_view schema_json) const override;

private:
    void take_grammar(const common_chat_params& params, ChatPrompt& prompt) const;
    std::vector<Token> tokens_of(const std::string& text) const;

    const llama_model* model_;
    common_chat_templates_ptr templates_;  // read-only after construction
    bool tools_ = false;
    bool thinking_ = false;
};

std::vector<Token> LlamaChatFormat::tokens_of(const std::string& text) const {
    return LlamaTokenizer(model_).tokenize(text, false, true).value_or(std::vector<Token>{});
}

std::string escape_regex(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::string_view(".^$|()*+?[]{}\\").find(c) != std::string_view::npos) out.push_back('\\');
        out.push_back(c);
    }
    return out;
}

void LlamaChatFormat::take_grammar(const common_chat_params& params, ChatPrompt& prompt) const {
    for (const std::string& text : params.preserved_tokens) {
        const std::vector<Token> tokens = tokens_of(text);
        if (tokens.size() == 1) prompt.preserved.push_back(tokens.front());
    }
    if (params.grammar.empty()) return;
    Grammar& grammar = prompt.grammar;
    grammar.text = params.grammar;
    grammar.lazy = params.grammar_lazy;
    for (const common_grammar_trigger& trigger : params.grammar_triggers) {
        switch (trigger.type) {
            case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN: grammar.trigger_tokens.push_back(trigger.token); break;
            case COMMON_GRAMMAR_TRIGGER_TYPE_WORD: {
                // A trigger word that is one control token never shows as text, so it has to trigger as a token.
                const std::vector<Token> tokens = tokens_of(trigger.value);
                if (tokens.size() == 1 && std::ranges::find(prompt.preserved, tokens.front()) != prompt.preserved.end()) {
                    grammar.trigger_tokens.push_back(tokens.front());
                } else {
                    grammar.trigger_patterns.push_back(escape_regex(trigger.value));
                }
                break;
            }
            case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN: grammar.trigger_patterns.push_back(trigger.value); break;
            case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL: {
                const std::string& pattern = trigger.value;
                grammar.trigger_patterns.push_back((pattern.starts_with('^') ? "" : "^") + pattern + (pattern.ends_with('$') ? "" : "$"));
                break;
            }
        }
    }
    if (!grammar.lazy && !params.generation_prompt.empty()) grammar.prefix = tokens_of(params.generation_prompt);
}

Result<ChatPrompt> LlamaChatFormat::render(const ChatInput& input) const {
    if (!available()) {
        return fail(failed_precondition("the model has no chat template; use /v1/completions, or give the model a template"));
    }
    const bool with_tools = !input.tools_json.empty() && input.tool_choice != "none";
    if (with_tools && !tools_) {
        return fail(unimplemented("this model's chat template does not support tools").with_field("tools"));
    }
    common_chat_templates_inputs inputs;
    try {
        inputs.messages = common_chat_msgs_parse_oaicompat(common_json::parse(input.messages_json));
    } catch (const std::exception& error) {
        return fail(refused("'messages' cannot be used with this model", error).with_field("messages"));
    }
    const bool structured = with_tools || thinking_;
    try {
        if (with_tools) {
            inputs.tools = common_chat_tools_parse_oaicompat(common_json::parse(input.tools_json));
            inputs.tool_choice = common_chat_tool_choice_parse_oaicompat(input.tool_choice);
            inputs.parallel_tool_calls = input.parallel_tool_calls;
        }
    } catch (const std::exception& error) {
        return fail(refused("'tools' cannot be used with this model", error).with_field("tools"));
    }
    if (structured) inputs.json_schema = input.json_schema;
    inputs.enable_thinking = input.enable_thinking;
    inputs.reasoning_format = structured ? COMMON_REASONING_FORMAT_DEEPSEEK : COMMON_REASONING_FORMAT_NONE;
    inputs.force_pure_content = !structured;  // spares the analysis of the template, 9.5 ms
    try {
        const common_chat_params params = common_chat_templates_apply(templates_.get(), inputs);
        ChatPrompt prompt;
        prompt.text = params.prompt;
        prompt.stop = params.additional_stops;
        if (structured) {
            take_grammar(params, prompt);
            prompt.parser = std::make_shared<LlamaOutputParser>(params, with_tools);
        } else if (!input.json_schema.empty()) {
            TRY_ASSIGN(prompt.grammar.text, grammar_from_schema(input.json_schema));
        }
        return prompt;
    } catch (const std::exception& error) {
        return fail(refused("the model's chat template refuses these messages", error).with_field("messages"));
    }
}

Result<std::string> LlamaChatFormat::grammar_from_schema(std::string_view schema_json) const {
    if (schema_json.size() > kMaxSchemaBytes) {
        return fail(invalid_argument("the JSON schema is larger than 64 KiB").with_field("response_format.json_schema.schema"));
    }
    const auto refuse = [](std::string_view why) {
        return invalid_argument(fmt::format("the JSON schema cannot be enforced: {}", why))
            .with_field("response_format.json_schema.schema").with_reason("invalid_json_schema");
    };
    try {
        std::string grammar = json_schema_to_grammar(common_json::parse(std::string(schema_json)), true);
        if (const Result<> checked = check_grammar(grammar); !checked) return fail(refuse(checked.error().message()));
        // Lengths beyond the parser's limits show only now.
        if (!grammar_parses(llama_model_get_vocab(model_), grammar)) return fail(refuse("it asks for too much repetition"));
        return grammar;
    } catch (const std::exception& error) {
        return fail(refuse(error.what()));
    }
}

}  // namespace

Result<std::unique_ptr<ChatFormat>> make_chat_format(const llama_model* model, const std::string& override, BackendFacts& facts) {
    common_chat_templates_ptr templates;
    if (!override.empty() || llama_model_chat_template(model, nullptr)) {
        try {
            templates = common_chat_templates_init(model, override);
        } catch (const std::exception& error) {
            return fail(invalid_argument("the chat template does not parse").with_cause(unknown_error(error.what())));
        }
    }
    auto format = std::make_unique<LlamaChatFormat>(model, std::move(templates));
    facts.has_chat_template = format->available();
    facts.supports_tools = format->tools();
    return format;
}

}  // namespace atrium::model::llama
