#pragma once

#include "model/upstream/internal/answer_writer.h"

/// Private to the kserve dialect: what its encoder, decoder and stream decoder share.
namespace atrium::model::kserve {

/// "name#tensor" taken apart.
struct ModelName {
    std::string_view model;
    std::string_view tensor;
};
ModelName read_name(std::string_view name);

Result<json::object> encode_generate(const UpstreamCall& call);
Result<json::object> encode_infer(const UpstreamCall& call, std::string_view tensor);

/// vLLM's optional outputs; nothing where the model does not report them.
std::optional<TokenUsage> read_usage(const json::object& answer);
/// "length" or "stop"; empty where the model does not say.
std::string_view finish_reason(const json::object& answer);
/// {"error":"…"}; nothing when it is no such thing.
std::optional<Error> read_error(const json::object& answer);

}  // namespace atrium::model::kserve
