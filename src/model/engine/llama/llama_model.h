#pragma once

#include <llama.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "model/engine/backend.h"
#include "model/engine/llama/thread_governor.h"

/// The implementation of model/engine/backend.h over libllama. Nothing outside this folder sees a llama type.
namespace atrium::model::llama {

struct ModelDeleter {
    void operator()(llama_model* model) const { llama_model_free(model); }
};
struct ContextDeleter {
    void operator()(llama_context* context) const { llama_free(context); }
};
struct SamplerDeleter {
    void operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }
};
using ModelPtr = std::unique_ptr<llama_model, ModelDeleter>;
using ContextPtr = std::unique_ptr<llama_context, ContextDeleter>;
using SamplerPtr = std::unique_ptr<llama_sampler, SamplerDeleter>;

/// What libllama complained about first: the text behind a bare null pointer. Later lines only say that it failed.
std::string first_library_error();
/// Once per process: log routing and the CPU kernels that fit this machine. kFailedPrecondition without any.
Result<> initialise_library();

class LlamaTokenizer final : public Tokenizer {
public:
    explicit LlamaTokenizer(const llama_model* model) : vocabulary_(llama_model_get_vocab(model)) {}
    Result<std::vector<Token>> tokenize(std::string_view text, bool add_special, bool parse_special) const override;
    std::string piece(Token token, bool special) const override;
    bool is_end(Token token) const override;

private:
    const llama_vocab* vocabulary_;
};

/// `override` replaces the template in the file; with neither, render() is kFailedPrecondition.
Result<std::unique_ptr<ChatFormat>> make_chat_format(const llama_model* model, const std::string& override,
                                                     BackendFacts& facts);

/// Grammars reach a recursive parser: bounded size, no other dialect (one makes the library abort), bounded nesting.
Result<> check_grammar(std::string_view grammar);
/// Whether a checked grammar can be compiled; throws what the library throws.
bool grammar_parses(const llama_vocab* vocabulary, const std::string& grammar);

class LlamaSampler final : public Sampler {
public:
    static Result<std::unique_ptr<Sampler>> make(const llama_model* model, const SamplerSettings& settings,
                                                 const std::vector<Token>& end_tokens);
    /// kFailedPrecondition when nothing is allowed any more (a grammar's dead end).
    Result<Token> choose(const float* logits);

private:
    bool allowed(Token token);
    Result<Token> choose_from(const float* logits, bool grammar_first);
    Result<> accept(Token token);

    int vocabulary_ = 0;
    bool greedy_ = false;  // argmax suffices: no penalty, bias or grammar
    SamplerPtr before_;    // bias and penalties
    SamplerPtr grammar_;
    SamplerPtr after_;     // filters, temperature, choice
    std::vector<llama_token_data> candidates_;
};

/// `count` most likely tokens and the log probability of `token` under softmax(logits).
void fill_logprobs(const float* logits, int vocabulary, int count, TokenChoice& choice);

class LlamaDecoder final : public Decoder {
public:
    LlamaDecoder(const llama_model* model, ContextPtr context, const BackendFacts& facts);
    ~LlamaDecoder() override;

    /// ggml workers of our own; without them each step would create and join threads.
    void attach_threads(int threads);

    DecodeStatus decode(std::span<const BatchToken> batch) override;
    Result<std::unique_ptr<Sampler>> make_sampler(const SamplerSettings& settings) override;
    Result<TokenChoice> sample(Sampler& sampler, int output_index, int top) override;
    void remove(SequenceId sequence, std::int32_t from) override;
    void copy(SequenceId from, SequenceId to, std::int32_t length) override;
    Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<Token>> inputs) override;
    void abort() override { abort_ = true; }

private:
    bool valid_sequence(SequenceId id) const { return id >= 0 && id < facts_.sequence_ids; }
    bool valid_token(Token token) const { return token >= 0 && token < facts_.vocabulary; }
    /// Computes batch_ and lets the governor see what it cost. The library's status; throws.
    int compute(bool encode);

    const llama_model* model_;
    ContextPtr context_;
    const BackendFacts& facts_;
    llama_batch batch_;
    std::vector<std::int32_t> output_rows_;  // output index -> row of the last batch
    std::vector<Token> end_tokens_;
    ggml_threadpool* threadpool_ = nullptr;
    void (*free_threadpool_)(ggml_threadpool*) = nullptr;
    std::atomic<bool> abort_{false};
    ThreadGovernor governor_{1};
};

}  // namespace atrium::model::llama
