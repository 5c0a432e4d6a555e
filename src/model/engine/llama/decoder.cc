#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <time.h>

#include <algorithm>

#include "model/engine/llama/llama_model.h"

namespace atrium::model::llama {
namespace {

ThreadGovernor::Duration clock_now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

LlamaDecoder::LlamaDecoder(const llama_model* model, ContextPtr context, const BackendFacts& facts)
    : model_(model), context_(std::move(context)), facts_(facts), batch_(llama_batch_init(facts.batch_tokens, 0, 1)) {
    const llama_vocab* vocabulary = llama_model_get_vocab(model);
    for (Token id = 0; id < facts.vocabulary; ++id) {
        if (llama_vocab_is_eog(vocabulary, id)) end_tokens_.push_back(id);
    }
    // Looked at between graph nodes: a step ends within milliseconds of abort(). CPU only; elsewhere after the step.
    llama_set_abort_callback(
        context_.get(), [](void* self) { return static_cast<LlamaDecoder*>(self)->abort_.load(); }, this);
}

LlamaDecoder::~LlamaDecoder() {
    llama_batch_free(batch_);
    if (threadpool_) {
        llama_detach_threadpool(context_.get());
        free_threadpool_(threadpool_);
    }
}

void LlamaDecoder::attach_threads(int threads) {
    ggml_backend_reg_t cpu = ggml_backend_reg_by_name("CPU");
    if (!cpu) return;
    const auto create = reinterpret_cast<decltype(&ggml_threadpool_new)>(ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_new"));
    free_threadpool_ = reinterpret_cast<decltype(&ggml_threadpool_free)>(ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_free"));
    if (!create || !free_threadpool_) return;
    governor_ = ThreadGovernor(threads);
    ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    // Waiting workers sleep: other engines and the gateway share these cores, and a spinning worker starves them.
    params.poll = 0;
    threadpool_ = create(&params);
    if (threadpool_) llama_attach_threadpool(context_.get(), threadpool_, threadpool_);
}

int LlamaDecoder::compute(bool encode) {
    const ThreadGovernor::Duration wall = clock_now(CLOCK_MONOTONIC);
    const ThreadGovernor::Duration cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    const int status = encode ? llama_encode(context_.get(), batch_) : llama_decode(context_.get(), batch_);
    const ThreadGovernor::Duration now = clock_now(CLOCK_MONOTONIC);
    if (governor_.observe(now, now - wall, clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu)) {
        llama_set_n_threads(context_.get(), governor_.threads(), governor_.threads());
    }
    return status;
}

DecodeStatus LlamaDecoder::decode(std::span<const BatchToken> batch) {
    output_rows_.clear();
    // After a refusal there is nothing to sample from.
    const auto refused = [&] {
        output_rows_.clear();
        return DecodeStatus::kInvalid;
    };
    if (batch.empty() || batch.size() > static_cast<std::size_t>(facts_.batch_tokens)) return refused();
    batch_.n_tokens = static_cast<std::int32_t>(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const BatchToken& item = batch[i];
        if (!valid_token(item.token) || !valid_sequence(item.sequence) || item.position < 0) return refused();
        batch_.token[i] = item.token;
        batch_.pos[i] = item.position;
        batch_.n_seq_id[i] = 1;
        batch_.seq_id[i][0] = item.sequence;
        batch_.logits[i] = item.output ? 1 : 0;
        if (item.output) output_rows_.push_back(static_cast<std::int32_t>(i));
    }
    if (output_rows_.size() > static_cast<std::size_t>(facts_.sequences)) return refused();
    try {
        const int status = compute(false);
        if (status != 0) output_rows_.clear();
        switch (status) {
            case 0: return DecodeStatus::kOk;
            case 1: return DecodeStatus::kNoSpace;
            case 2: return DecodeStatus::kAborted;
            case -1: return DecodeStatus::kInvalid;
            default: return DecodeStatus::kFailed;
        }
    } catch (const std::exception&) {
        output_rows_.clear();
        return DecodeStatus::kFailed;  // graph reservation throws when memory runs out
    }
}

Result<std::unique_ptr<Sampler>> LlamaDecoder::make_sampler(const SamplerSettings& settings) {
    return LlamaSampler::make(model_, settings, end_tokens_);
}

Result<TokenChoice> LlamaDecoder::sample(Sampler& sampler, int output_index, int top) {
    if (output_index < 0 || static_cast<std::size_t>(output_index) >= output_rows_.size()) {
        return fail(internal_error("sampling a position without output"));
    }
    const float* logits = llama_get_logits_ith(context_.get(), output_rows_[static_cast<std::size_t>(output_index)]);
    if (!logits) return fail(internal_error("the model returned no logits"));
    TokenChoice choice;
    TRY_ASSIGN(choice.token, static_cast<LlamaSampler&>(sampler).choose(logits));
    if (top >= 0) fill_logprobs(logits, facts_.vocabulary, top, choice);
    return choice;
}

void LlamaDecoder::remove(SequenceId sequence, std::int32_t from) {
    llama_memory_t memory = llama_get_memory(context_.get());
    if (!memory || !valid_sequence(sequence)) return;
    // Recurrent memories cannot cut a tail; the scheduler asks for it only when facts().share_prefixes.
    llama_memory_seq_rm(memory, sequence, from, -1);
}

void LlamaDecoder::copy(SequenceId from, SequenceId to, std::int32_t length) {
    llama_memory_t memory = llama_get_memory(context_.get());
    if (!memory || !facts_.share_prefixes || !valid_sequence(from) || !valid_sequence(to) || from == to || length <= 0) return;
    llama_memory_seq_cp(memory, from, to, 0, length);
}

Result<std::vector<std::vector<float>>> LlamaDecoder::embed(std::span<const std::vector<Token>> inputs) {
    std::size_t total = 0;
    for (const auto& input : inputs) {
        if (input.empty() || input.size() > static_cast<std::size_t>(facts_.context_train)) {
            return fail(invalid_argument("an input is empty or longer than the model's context"));
        }
        if (!std::ranges::all_of(input, [&](Token token) { return valid_token(token); })) {
            return fail(invalid_argument("an input names a token that the model does not have"));
        }
        total += input.size();
    }
    if (inputs.empty() || inputs.size() > static_cast<std::size_t>(facts_.sequences) ||
        total > static_cast<std::size_t>(facts_.batch_tokens)) {
        return fail(internal_error("an embedding batch exceeds the limits of the engine"));
    }
    std::int32_t row = 0;
    for (std::size_t sequence = 0; sequence < inputs.size(); ++sequence) {
        for (std::size_t i = 0; i < inputs[sequence].size(); ++i, ++row) {
            batch_.token[row] = inputs[sequence][i];
            batch_.pos[row] = static_cast<std::int32_t>(i);
            batch_.n_seq_id[row] = 1;
            batch_.seq_id[row][0] = static_cast<SequenceId>(sequence);
            batch_.logits[row] = 1;
        }
    }
    batch_.n_tokens = row;
    llama_memory_t memory = llama_get_memory(context_.get());
    if (memory) llama_memory_clear(memory, false);
    int status = -1;
    try {
        status = compute(memory == nullptr);
    } catch (const std::exception& error) {
        return fail(unavailable("the model could not compute the embeddings").with_cause(unknown_error(error.what())));
    }
    if (status != 0) return fail(unavailable("the model could not compute the embeddings"));
    std::vector<std::vector<float>> vectors;
    vectors.reserve(inputs.size());
    for (std::size_t sequence = 0; sequence < inputs.size(); ++sequence) {
        const float* pooled = llama_get_embeddings_seq(context_.get(), static_cast<SequenceId>(sequence));
        if (!pooled) return fail(internal_error("the model returned no embedding"));
        vectors.emplace_back(pooled, pooled + facts_.embedding_dimensions);
    }
    return vectors;
}

}  // namespace atrium::model::llama
