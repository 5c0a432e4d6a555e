#pragma once

#include <string_view>

namespace atrium::model {

/// The normaliser table (precompiled_charsmap) of XLM-RoBERTa's tokenizer, embedded at build time from the pinned
/// vocabulary file third_party/.cache/llama/vocab/ggml-vocab-nomic-bert-moe.gguf. 237,539 bytes.
std::string_view xlm_roberta_charsmap();

}  // namespace atrium::model
