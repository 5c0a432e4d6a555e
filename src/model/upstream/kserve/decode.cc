// generate and infer answers → OpenAI's.
#include "model/upstream/internal/embedding_answer.h"
#include "model/upstream/kserve/kserve_dialect.h"
#include "model/upstream/kserve/kserve_wire.h"

namespace atrium::model {
namespace kserve {

std::optional<TokenUsage> read_usage(const json::object& answer) {
    if (present(answer, "num_output_tokens") == nullptr) return std::nullopt;
    return TokenUsage{.prompt_tokens = count_at(answer, "num_input_tokens"),
                      .completion_tokens = count_at(answer, "num_output_tokens")};
}

std::string_view finish_reason(const json::object& answer) {
    const auto reason = string_at(answer, "finish_reason");
    // vLLM writes "None" until the sequence is finished.
    if (reason.empty() || reason == "None") return {};
    return reason == "length" ? "length" : "stop";
}

std::optional<Error> read_error(const json::object& answer) {
    const auto message = string_at(answer, "error");
    if (message.empty()) return std::nullopt;
    return provider_error(Code::kUnavailable, message, "upstream_error", "an error in mid-answer");
}

namespace {

/// A tensor [n, d] arrives as one flat list of n·d numbers, or nested.
Result<std::vector<json::array>> rows_of(const json::object& tensor, std::size_t wanted) {
    const auto* data = array_at(tensor, "data");
    if (data == nullptr || data->empty()) return fail(nonsense("a tensor without data"));
    std::vector<json::array> rows;
    if (data->front().is_array()) {
        for (const auto& row : *data) {
            if (!row.is_array()) return fail(nonsense("a tensor half flat, half nested"));
            rows.push_back(row.get_array());
        }
        return rows;
    }
    if (wanted == 0 || data->size() % wanted != 0) return fail(nonsense("a tensor of another shape than asked for"));
    const auto width = data->size() / wanted;
    for (std::size_t i = 0; i < wanted; ++i) {
        json::array row;
        row.reserve(width);
        for (std::size_t j = 0; j < width; ++j) row.push_back((*data)[i * width + j]);
        rows.push_back(std::move(row));
    }
    return rows;
}

Result<json::object> decode_embedding(const UpstreamCall& call, const json::object& answer) {
    const auto* outputs = array_at(answer, "outputs");
    const auto* input = call.request->object.if_contains("input");
    const std::size_t wanted = input != nullptr && input->is_array() ? input->get_array().size() : 1;
    for (std::size_t i = 0; outputs != nullptr && i < outputs->size(); ++i) {
        const auto* tensor = (*outputs)[i].if_object();
        if (tensor == nullptr) continue;
        const auto type = string_at(*tensor, "datatype");
        if (type != "FP32" && type != "FP64") continue;
        TRY_ASSIGN(const auto rows, rows_of(*tensor, wanted));
        std::vector<const json::array*> vectors;
        for (const auto& row : rows) vectors.push_back(&row);
        return embedding_answer(call.request->object, kserve::read_name(call.model).model, vectors, 0);
    }
    return fail(nonsense("no FP32 or FP64 tensor among the outputs"));
}

}  // namespace
}  // namespace kserve

Result<json::object> KserveDialect::decode(const UpstreamCall& call, json::object answer) const {
    if (auto error = kserve::read_error(answer)) return fail(std::move(*error));
    if (call.operation == Operation::kEmbedding) return kserve::decode_embedding(call, answer);
    if (present(answer, "text_output") == nullptr) return fail(nonsense("an answer without text_output"));
    const auto text = string_at(answer, "text_output");
    const auto reason = kserve::finish_reason(answer);
    const auto finish = reason.empty() ? std::string_view("stop") : reason;
    const auto model = kserve::read_name(call.model).model;
    if (call.operation == Operation::kCompletion)
        return completion_answer({}, model, text, finish, kserve::read_usage(answer));
    return chat_answer({}, model, {{"content", text}, {"refusal", nullptr}}, finish, kserve::read_usage(answer));
}

}  // namespace atrium::model
