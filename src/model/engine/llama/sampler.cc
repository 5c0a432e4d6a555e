#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/engine/llama/llama_model.h"

namespace atrium::model::llama {
namespace {

constexpr std::size_t kMaxGrammarBytes = 64 * 1024;
constexpr int kMaxGrammarNesting = 64;
constexpr int kPenaltyWindow = 1024;  // tokens; the penalties of the API count the whole answer

SamplerPtr make_chain() {
    llama_sampler_chain_params params = llama_sampler_chain_default_params();
    params.no_perf = true;
    return SamplerPtr(llama_sampler_chain_init(params));
}

Error bad_grammar(std::string_view why) { return invalid_argument(fmt::format("the grammar {}", why)).with_field("grammar"); }

Token argmax(const float* logits, int vocabulary) {
    return static_cast<Token>(std::max_element(logits, logits + vocabulary) - logits);
}

llama_sampler* make_grammar(const llama_vocab* vocabulary, const Grammar& grammar) {
    if (!grammar.lazy) return llama_sampler_init_grammar(vocabulary, grammar.text.c_str(), "root");
    std::vector<const char*> patterns;
    for (const std::string& pattern : grammar.trigger_patterns) patterns.push_back(pattern.c_str());
    return llama_sampler_init_grammar_lazy_patterns(vocabulary, grammar.text.c_str(), "root", patterns.data(), patterns.size(),
                                                    grammar.trigger_tokens.data(), grammar.trigger_tokens.size());
}

}  // namespace

Result<> check_grammar(std::string_view grammar) {
    if (grammar.size() > kMaxGrammarBytes) return fail(bad_grammar("is larger than 64 KiB"));
    if (grammar.find('\0') != std::string_view::npos) return fail(bad_grammar("holds a NUL byte"));
    if (grammar.starts_with("%llguidance")) return fail(bad_grammar("is not GBNF, the only kind supported"));
    int depth = 0;
    char quote = 0;  // inside "…" or […], where parentheses are text
    for (std::size_t i = 0; i < grammar.size(); ++i) {
        const char c = grammar[i];
        if (quote != 0) {
            if (c == '\\') ++i;
            else if (c == quote) quote = 0;
        } else if (c == '"') {
            quote = '"';
        } else if (c == '[') {
            quote = ']';
        } else if (c == '#') {
            i = std::min(grammar.find('\n', i), grammar.size());
        } else if (c == '(' && ++depth > kMaxGrammarNesting) {
            return fail(bad_grammar("nests deeper than 64 parentheses"));
        } else if (c == ')') {
            --depth;
        }
    }
    return {};
}

bool grammar_parses(const llama_vocab* vocabulary, const std::string& grammar) {
    return SamplerPtr(llama_sampler_init_grammar(vocabulary, grammar.c_str(), "root")) != nullptr;
}

Result<std::unique_ptr<Sampler>> LlamaSampler::make(const llama_model* model, const SamplerSettings& settings,
                                                    const std::vector<Token>& end_tokens) {
    const llama_vocab* vocabulary = llama_model_get_vocab(model);
    auto sampler = std::make_unique<LlamaSampler>();
    sampler->vocabulary_ = llama_vocab_n_tokens(vocabulary);

    std::vector<llama_logit_bias> bias;
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    for (const auto& [token, value] : settings.logit_bias) {
        if (token < 0 || token >= sampler->vocabulary_) {
            return fail(invalid_argument("'logit_bias' names a token that the model does not have").with_field("logit_bias"));
        }
        bias.push_back({token, value <= -100.0F ? kNever : value});  // the API promises that -100 bans
    }
    std::int32_t suppressed = 0;
    const Token* suppress = llama_vocab_get_suppress_tokens(vocabulary, &suppressed);
    for (std::int32_t i = 0; i < suppressed; ++i) bias.push_back({suppress[i], kNever});
    if (settings.ban_end) {
        for (const Token token : end_tokens) bias.push_back({token, kNever});
    }
    const bool penalties =
        settings.repetition_penalty != 1.0F || settings.frequency_penalty != 0.0F || settings.presence_penalty != 0.0F;

    sampler->greedy_ = settings.temperature <= 0 && bias.empty() && !penalties && settings.grammar.text.empty();
    if (sampler->greedy_) return sampler;

    sampler->before_ = make_chain();
    if (!bias.empty()) {
        llama_sampler_chain_add(sampler->before_.get(), llama_sampler_init_logit_bias(
            sampler->vocabulary_, static_cast<std::int32_t>(bias.size()), bias.data()));
    }
    if (penalties) {
        llama_sampler_chain_add(sampler->before_.get(), llama_sampler_init_penalties(
            sampler->vocabulary_, kPenaltyWindow, settings.repetition_penalty, settings.frequency_penalty, settings.presence_penalty));
    }
    sampler->after_ = make_chain();
    llama_sampler* after = sampler->after_.get();
    if (settings.temperature <= 0) {
        llama_sampler_chain_add(after, llama_sampler_init_greedy());
    } else {
        if (settings.top_k > 0) llama_sampler_chain_add(after, llama_sampler_init_top_k(settings.top_k));
        if (settings.top_p < 1.0F) llama_sampler_chain_add(after, llama_sampler_init_top_p(settings.top_p, 1));
        if (settings.min_p > 0.0F) llama_sampler_chain_add(after, llama_sampler_init_min_p(settings.min_p, 1));
        llama_sampler_chain_add(after, llama_sampler_init_temp(settings.temperature));
        llama_sampler_chain_add(after, llama_sampler_init_dist(settings.seed));
    }
    if (!settings.grammar.text.empty()) {
        TRY(check_grammar(settings.grammar.text));
        try {
            sampler->grammar_.reset(make_grammar(vocabulary, settings.grammar));
            if (!sampler->grammar_) return fail(bad_grammar("does not parse"));
            for (const Token token : settings.grammar.prefix) {
                // Accepting an end token in the middle of a grammar aborts the process.
                if (llama_vocab_is_eog(vocabulary, token)) return fail(bad_grammar("contradicts the chat template"));
                llama_sampler_accept(sampler->grammar_.get(), token);
            }
        } catch (const std::exception& error) {
            return fail(bad_grammar("cannot be used").with_cause(unknown_error(error.what())));
        }
    }
    sampler->candidates_.resize(static_cast<std::size_t>(sampler->vocabulary_));
    return sampler;
}

bool LlamaSampler::allowed(Token token) {
    llama_token_data single{token, 1.0F, 0.0F};
    llama_token_data_array array{&single, 1, -1, false};
    llama_sampler_apply(grammar_.get(), &array);
    return single.logit != -std::numeric_limits<float>::infinity();
}

Result<Token> LlamaSampler::choose_from(const float* logits, bool grammar_first) {
    candidates_.resize(static_cast<std::size_t>(vocabulary_));
    for (Token id = 0; id < vocabulary_; ++id) candidates_[static_cast<std::size_t>(id)] = {id, logits[id], 0.0F};
    llama_token_data_array array{candidates_.data(), candidates_.size(), -1, false};
    llama_sampler_apply(before_.get(), &array);
    if (grammar_first) {
        llama_sampler_apply(grammar_.get(), &array);
        // Drop what is forbidden: the filters below assume finite numbers.
        const auto kept = std::remove_if(array.data, array.data + array.size,
                                         [](const llama_token_data& data) { return !std::isfinite(data.logit); });
        array.size = static_cast<std::size_t>(kept - array.data);
        if (array.size == 0) return fail(failed_precondition("the grammar allows no continuation"));
    }
    llama_sampler_apply(after_.get(), &array);
    if (array.selected < 0 || array.selected >= static_cast<std::int64_t>(array.size)) {
        return fail(internal_error("the model produced no usable distribution"));
    }
    return array.data[array.selected].id;
}

Result<> LlamaSampler::accept(Token token) {
    try {
        if (grammar_) llama_sampler_accept(grammar_.get(), token);
        llama_sampler_accept(before_.get(), token);
    } catch (const std::exception& error) {
        return fail(failed_precondition("the grammar allows no continuation").with_cause(unknown_error(error.what())));
    }
    return {};
}

Result<Token> LlamaSampler::choose(const float* logits) {
    if (greedy_) return argmax(logits, vocabulary_);
    // Masking 262,144 tokens by a grammar costs 64 ms, checking one costs microseconds: so sample first, and mask only
    // when the grammar refuses the choice.
    TRY_ASSIGN(Token token, choose_from(logits, false));
    if (grammar_ && !allowed(token)) {
        TRY_ASSIGN(token, choose_from(logits, true));
    }
    TRY(accept(token));
    return token;
}

void fill_logprobs(const float* logits, int vocabulary, int count, TokenChoice& choice) {
    const float highest = *std::max_element(logits, logits + vocabulary);
    double sum = 0;
    for (int i = 0; i < vocabulary; ++i) sum += std::exp(static_cast<double>(logits[i] - highest));
    const double log_sum = std::log(sum) + highest;
    choice.logprob = static_cast<float>(logits[choice.token] - log_sum);
    if (count <= 0) return;
    std::vector<Token> order(static_cast<std::size_t>(vocabulary));
    for (Token id = 0; id < vocabulary; ++id) order[static_cast<std::size_t>(id)] = id;
    const auto wanted = std::min<std::ptrdiff_t>(count, vocabulary);
    std::partial_sort(order.begin(), order.begin() + wanted, order.end(), [&](Token a, Token b) {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    for (std::ptrdiff_t i = 0; i < wanted; ++i) {
        const Token id = order[static_cast<std::size_t>(i)];
        choice.top.emplace_back(id, static_cast<float>(logits[id] - log_sum));
    }
}

}  // namespace atrium::model::llama
