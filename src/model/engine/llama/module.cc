#include <dlfcn.h>
#include <fmt/format.h>
#include <ggml-backend.h>
#include <log.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <mutex>

#include "model/engine/llama/llama_model.h"

namespace atrium::model::llama {
namespace {

constexpr int kMaxSequenceIds = 256;  // LLAMA_MAX_SEQ

std::mutex g_log_mutex;
std::string g_first_error;

void on_library_log(ggml_log_level level, const char* text, void*) {
    if (level != GGML_LOG_LEVEL_ERROR && level != GGML_LOG_LEVEL_WARN) return;
    const std::scoped_lock lock(g_log_mutex);
    if (level == GGML_LOG_LEVEL_ERROR && g_first_error.empty()) {
        g_first_error = text;
        while (!g_first_error.empty() && g_first_error.back() == '\n') g_first_error.pop_back();
    }
    std::fputs(text, stderr);
}

Result<> initialise_once() {
    llama_log_set(on_library_log, nullptr);
    // libllama-common has a log of its own, with a thread; it repeats prompts at warning level.
    common_log_set_verbosity_thold(-1);
    common_log_pause(common_log_main());

    Dl_info info{};
    if (dladdr(reinterpret_cast<void*>(&llama_backend_init), &info) == 0 || !info.dli_fname) {
        return fail(failed_precondition("cannot find the folder of libllama"));
    }
    const std::filesystem::path folder = std::filesystem::path(info.dli_fname).parent_path();
    ggml_backend_load_all_from_path(folder.c_str());
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)) {
        return fail(failed_precondition(fmt::format("no CPU kernels for this machine in '{}'", folder.string())));
    }
    llama_backend_init();
    return {};
}

std::string metadata(const llama_model* model, const std::string& key) {
    char buffer[256];
    const int length = llama_model_meta_val_str(model, key.c_str(), buffer, sizeof buffer);
    if (length < 0) return {};
    return std::string(buffer, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof buffer - 1));
}

class LlamaBackend final : public Backend {
public:
    Result<> load(const BackendOptions& options);
    const BackendFacts& facts() const override { return facts_; }
    const Tokenizer& tokenizer() const override { return *tokenizer_; }
    const ChatFormat& chat() const override { return *chat_; }
    Decoder& decoder() override { return *decoder_; }

private:
    Result<> load_model(const BackendOptions& options);
    Result<ContextPtr> make_context(const BackendOptions& options);

    BackendFacts facts_;
    ModelPtr model_;
    std::unique_ptr<LlamaTokenizer> tokenizer_;
    std::unique_ptr<ChatFormat> chat_;
    std::unique_ptr<LlamaDecoder> decoder_;  // before the model goes
};

Result<> LlamaBackend::load_model(const BackendOptions& options) {
    llama_model_params params = llama_model_default_params();
    params.progress_callback = [](float progress, void* data) {
        const auto& callback = static_cast<const BackendOptions*>(data)->progress;
        return !callback || callback(progress);
    };
    params.progress_callback_user_data = const_cast<BackendOptions*>(&options);
    model_.reset(llama_model_load_from_file(options.model_path.c_str(), params));
    if (!model_) {
        return fail(invalid_argument(fmt::format("cannot load the model '{}'; if its file is damaged, repair it with: atrium pull NAME",
                                                 options.model_path))
                        .with_cause(unknown_error(first_library_error())));
    }
    char description[128] = {};
    llama_model_desc(model_.get(), description, sizeof description);
    facts_.description = description;
    facts_.vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model_.get()));
    facts_.context_train = llama_model_n_ctx_train(model_.get());
    facts_.parameters = llama_model_n_params(model_.get());
    facts_.weight_bytes = llama_model_size(model_.get());
    if (facts_.vocabulary <= 0 || llama_vocab_type(llama_model_get_vocab(model_.get())) == LLAMA_VOCAB_TYPE_NONE) {
        return fail(failed_precondition("the model file has no vocabulary"));
    }
    if (llama_model_is_diffusion(model_.get())) return fail(failed_precondition("diffusion models are not supported"));
    return {};
}

Result<ContextPtr> LlamaBackend::make_context(const BackendOptions& options) {
    llama_context_params params = llama_context_default_params();
    const auto sequences = static_cast<std::uint32_t>(std::clamp(options.sequences, 1, kMaxSequenceIds));
    auto batch = static_cast<std::uint32_t>(std::max(options.batch_tokens, options.sequences));
    if (options.embedding) {
        // A pooled or non-causal input must fit one graph.
        batch = std::max(batch, static_cast<std::uint32_t>(std::clamp(facts_.context_train, 64, 8192)));
        facts_.context_train = std::min(facts_.context_train, static_cast<int>(batch));
        params.embeddings = true;
        params.n_ctx = batch;
        params.n_outputs_max = batch;
        if (metadata(model_.get(), metadata(model_.get(), "general.architecture") + ".pooling_type").empty()) {
            params.pooling_type = LLAMA_POOLING_TYPE_MEAN;  // a text model asked for vectors
        }
    } else {
        params.n_ctx = static_cast<std::uint32_t>(std::max(options.context, 256));
        // Unset, the output buffer is sized for a whole batch: 514 MiB instead of 26 for a vocabulary of 262,144.
        params.n_outputs_max = sequences;
    }
    params.n_batch = batch;
    params.n_ubatch = batch;  // one graph per step: a step is done or not done, never half
    params.n_seq_max = sequences;
    params.kv_unified = true;  // sharing a prefix is metadata only, and one long request may use all cells
    params.n_threads = options.threads;
    params.n_threads_batch = options.threads;
    params.no_perf = true;
    ContextPtr context;
    try {
        context.reset(llama_init_from_model(model_.get(), params));
    } catch (const std::exception& error) {
        return fail(failed_precondition("not enough memory for the model's context").with_cause(unknown_error(error.what())));
    }
    if (!context) {
        return fail(failed_precondition(fmt::format("cannot create a context of {} tokens; is there enough memory?", params.n_ctx))
                        .with_cause(unknown_error(first_library_error())));
    }
    return context;
}

Result<> LlamaBackend::load(const BackendOptions& options) {
    TRY(load_model(options));
    TRY_ASSIGN(ContextPtr context, make_context(options));
    if (options.embedding) {
        const enum llama_pooling_type pooling = llama_pooling_type(context.get());
        if (pooling == LLAMA_POOLING_TYPE_RANK || pooling == LLAMA_POOLING_TYPE_NONE) {
            return fail(failed_precondition("the model does not pool its output into embeddings"));
        }
        facts_.embedding_dimensions = llama_model_n_embd_out(model_.get());
    } else if (!llama_model_has_decoder(model_.get()) || !llama_get_memory(context.get())) {
        return fail(failed_precondition("the model cannot generate text; is it an embedding model?"));
    }
    facts_.context = static_cast<int>(llama_n_ctx(context.get()));
    facts_.batch_tokens = static_cast<int>(llama_n_ubatch(context.get()));
    facts_.sequences = static_cast<int>(llama_n_seq_max(context.get()));
    // Recurrent state has one slot per sequence and no history to cut or share.
    facts_.share_prefixes = !llama_model_is_recurrent(model_.get()) && !llama_model_is_hybrid(model_.get());
    facts_.sequence_ids = facts_.share_prefixes ? kMaxSequenceIds : facts_.sequences;

    tokenizer_ = std::make_unique<LlamaTokenizer>(model_.get());
    TRY_ASSIGN(chat_, make_chat_format(model_.get(), options.chat_template, facts_));
    decoder_ = std::make_unique<LlamaDecoder>(model_.get(), std::move(context), facts_);
    decoder_->attach_threads(options.threads);
    return {};
}

Result<std::unique_ptr<Backend>> load_backend(const BackendOptions& options) {
    try {
        TRY(initialise_library());
        auto backend = std::make_unique<LlamaBackend>();
        TRY(backend->load(options));
        return backend;
    } catch (const std::exception& error) {
        return fail(invalid_argument(fmt::format("cannot load the model '{}'", options.model_path))
                        .with_cause(unknown_error(error.what())));
    }
}

constexpr ModuleEntry kEntry{kBackendInterface, &load_backend};

}  // namespace

std::string first_library_error() {
    const std::scoped_lock lock(g_log_mutex);
    return g_first_error.empty() ? "no detail" : g_first_error;
}

Result<> initialise_library() {
    static const Result<> result = initialise_once();
    return result;
}

}  // namespace atrium::model::llama

extern "C" __attribute__((visibility("default"))) const atrium::model::ModuleEntry* atrium_engine_module() {
    return &atrium::model::llama::kEntry;
}
