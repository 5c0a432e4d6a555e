#pragma once

#include "model/upstream/dialect.h"
#include "model/upstream/internal/answer_writer.h"

/// Private to the rerank dialects.
namespace atrium::model::rerank {

struct Request {
    std::string_view query;
    std::vector<std::string_view> documents;  ///< a document may be a string or {"text": …}
    std::optional<std::int64_t> top_n;
    bool return_documents = false;
};

/// kInvalidArgument names the field. At most 10 000 documents. Points into the request.
Result<Request> read_request(const json::object& body);

/// Cohere's shape from scored positions, best first, cut to top_n, the documents added when asked for. `score` is the
/// name of the score in `results`. kUnavailable for positions that are none.
Result<json::object> answer(const UpstreamCall& call, const json::array& results, std::string_view score,
                            std::string_view id, std::int64_t tokens);

/// Nothing of this is streamed.
std::unique_ptr<StreamDecoder> no_decoder();

}  // namespace atrium::model::rerank
