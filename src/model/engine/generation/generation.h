#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/engine/backend.h"
#include "model/engine/generation/text_assembler.h"
#include "model/engine/generation/token_stream.h"
#include "model/engine/scheduler/fair_queue.h"

namespace atrium::model {

/// One answer to produce.
struct GenerationRequest {
    std::string tenant;
    std::vector<Token> prompt;
    int max_new = 0;
    SamplerSettings sampling;
    std::vector<std::string> stop;
    std::vector<Token> preserved;  ///< control tokens to show as text
    int logprobs = -1;             ///< < 0: none; else alternatives per token
    int choice = 0;                ///< index among the answers of one API request
    bool reports_reuse = true;     ///< its reused prompt tokens count as cached (not those that n > 1 shares with itself)
    std::optional<SteadyTime> start_by;
    std::optional<SteadyTime> finish_by;
    std::shared_ptr<TokenStream> out;
};

/// An answer in the making: sampler, text and limits. Created and used on the decode thread.
class Generation {
public:
    Generation(RequestId id, GenerationRequest request, const Tokenizer& tokenizer);

    /// Before the first sample; an error ends the request.
    Result<> prepare(Decoder& decoder);
    /// Samples one token and passes on what became certain. True when the answer is complete.
    bool step(Decoder& decoder, int output_index);
    /// Ends the answer without more tokens.
    void fail(Error error);

    RequestId id() const { return id_; }
    bool prepared() const { return sampler_ != nullptr; }
    Token last_token() const { return last_; }
    int tokens() const { return tokens_; }
    SteadyTime submitted() const { return submitted_; }
    SteadyTime last_step() const { return last_step_; }
    void set_submitted(SteadyTime time) { submitted_ = time; }
    void set_last_step(SteadyTime time) { last_step_ = time; }
    const GenerationRequest& request() const { return request_; }

private:
    void keep_detail(const TokenChoice& choice, const std::string& bytes);
    /// Details of the tokens whose text is decided.
    std::vector<TokenDetail> ready_details(bool all);
    void emit(std::string text, std::optional<AnswerEnd> end);

    RequestId id_;
    GenerationRequest request_;
    const Tokenizer& tokenizer_;
    std::unique_ptr<Sampler> sampler_;
    TextAssembler text_;
    std::set<Token> preserved_;
    struct Detail {
        std::size_t begin;  // offset of the token's bytes in the answer
        TokenDetail detail;
    };
    std::vector<Detail> details_;
    Token last_ = 0;
    int tokens_ = 0;
    SteadyTime submitted_;
    SteadyTime last_step_;
};

}  // namespace atrium::model
