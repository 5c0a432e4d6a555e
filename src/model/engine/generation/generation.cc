#include "model/engine/generation/generation.h"

#include <algorithm>

namespace atrium::model {

Generation::Generation(RequestId id, GenerationRequest request, const Tokenizer& tokenizer)
    : id_(id), request_(std::move(request)), tokenizer_(tokenizer), text_(request_.stop),
      preserved_(request_.preserved.begin(), request_.preserved.end()) {}

Result<> Generation::prepare(Decoder& decoder) {
    TRY_ASSIGN(sampler_, decoder.make_sampler(request_.sampling));
    return {};
}

bool Generation::step(Decoder& decoder, int output_index) {
    Result<TokenChoice> sampled = decoder.sample(*sampler_, output_index, request_.logprobs);
    if (!sampled) {
        // A grammar without continuation has said all it can: that is an end, not a failure.
        if (sampled.error().code() == Code::kFailedPrecondition) emit(text_.finish(), AnswerEnd{FinishReason::kStop, {}});
        else fail(std::move(sampled).error());
        return true;
    }
    last_ = sampled->token;
    ++tokens_;
    if (tokenizer_.is_end(last_)) {
        emit(text_.finish(), AnswerEnd{FinishReason::kStop, {}});
        return true;
    }
    const std::string bytes = tokenizer_.piece(last_, preserved_.contains(last_));
    if (request_.logprobs >= 0) keep_detail(*sampled, bytes);
    std::string text = text_.append(bytes);
    if (text_.stopped()) {
        emit(std::move(text), AnswerEnd{FinishReason::kStop, {}});
        return true;
    }
    if (tokens_ >= request_.max_new) {
        text += text_.finish();
        emit(std::move(text), AnswerEnd{FinishReason::kLength, {}});
        return true;
    }
    emit(std::move(text), std::nullopt);
    return false;
}

void Generation::fail(Error error) { emit({}, AnswerEnd{FinishReason::kStop, std::move(error)}); }

void Generation::keep_detail(const TokenChoice& choice, const std::string& bytes) {
    TokenDetail detail{bytes, choice.logprob, {}};
    for (const auto& [token, logprob] : choice.top) detail.top.emplace_back(tokenizer_.piece(token, true), logprob);
    details_.push_back({text_.bytes_in(), std::move(detail)});
}

std::vector<TokenDetail> Generation::ready_details(bool all) {
    std::vector<TokenDetail> ready;
    auto next = details_.begin();
    // At a stop string the tokens after it are dropped with their text; the undecided wait.
    for (; next != details_.end(); ++next) {
        const bool decided = next->begin + next->detail.bytes.size() <= text_.bytes_out();
        const bool begun = next->begin < text_.bytes_out();
        if (!(decided || (all && begun))) break;
        ready.push_back(std::move(next->detail));
    }
    details_.erase(details_.begin(), next);
    return ready;
}

void Generation::emit(std::string text, std::optional<AnswerEnd> end) {
    AnswerPart part;
    part.choice = request_.choice;
    part.text = std::move(text);
    part.tokens = tokens_;
    part.details = ready_details(end.has_value());
    part.end = std::move(end);
    // A held-back token still counts, so the part goes out even without text.
    request_.out->push(std::move(part));
}

}  // namespace atrium::model
