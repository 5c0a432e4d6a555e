#include "model/engine/serving/answer.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace atrium::model {

Answer::Answer(Options options) : options_(std::move(options)), open_(options_.choices) {
    usage_.prompt_tokens = options_.prompt_tokens;
    const bool chat = options_.shape == AnswerShape::kChat;
    options_.identity.object = chat ? (options_.stream ? "chat.completion.chunk" : "chat.completion") : "text_completion";
    for (int i = 0; i < options_.choices; ++i) choices_.push_back(Choice{ChatDeltas(options_.parser), {}, {}, 0, 0, false, {}});
}

std::string Answer::add(const std::vector<AnswerPart>& parts) {
    std::string events;
    for (const AnswerPart& part : parts) {
        Choice& choice = choices_.at(static_cast<std::size_t>(part.choice));
        if (choice.finish) continue;
        usage_.completion_tokens += part.tokens - choice.tokens;
        choice.tokens = part.tokens;
        if (part.end && part.end->error) {
            error_ = part.end->error;
            return events;
        }
        if (part.end) {
            choice.finish = part.end->reason;
            --open_;
        }
        events += options_.shape == AnswerShape::kChat ? add_chat(part, choice) : add_completion(part, choice);
    }
    return events;
}

std::string Answer::event(json::object choice) const {
    json::object response = response_json(options_.identity, {std::move(choice)});
    if (options_.include_usage) response["usage"] = nullptr;
    add_progress(response, usage_);
    return sse_data(response);
}

std::string Answer::chat_event(int index, json::object delta, json::value logprobs, json::value finish) const {
    json::object choice{{"index", index}, {"delta", std::move(delta)}};
    // Absent unless there are some: in chunks the specification knows no null here.
    if (!logprobs.is_null()) choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = std::move(finish);
    return event(std::move(choice));
}

std::string Answer::add_chat(const AnswerPart& part, Choice& choice) {
    const std::vector<json::object> deltas = choice.deltas.feed(part.text, part.end.has_value());
    std::ranges::copy(part.details, std::back_inserter(choice.details));
    if (!options_.stream) return {};
    std::string events;
    if (!choice.begun) {
        choice.begun = true;
        events += chat_event(part.choice, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    }
    // Details belong to tokens, deltas to text: they travel with the first delta, or alone when the text is held back.
    json::value logprobs = nullptr;
    if (options_.logprobs && !part.details.empty()) logprobs = chat_logprobs(part.details);
    for (const json::object& delta : deltas) events += chat_event(part.choice, delta, std::exchange(logprobs, nullptr), nullptr);
    if (!logprobs.is_null()) events += chat_event(part.choice, {}, std::exchange(logprobs, nullptr), nullptr);
    if (part.end) {
        const bool called = !choice.deltas.message().tool_calls.empty();
        events += chat_event(part.choice, {}, nullptr, json::string(finish_reason_name(part.end->reason, called)));
    }
    return events;
}

std::string Answer::add_completion(const AnswerPart& part, Choice& choice) {
    std::string text = part.text;
    if (!choice.begun) {
        choice.begun = true;
        if (!options_.echo.empty()) text.insert(0, options_.echo.at(static_cast<std::size_t>(part.choice)));
    }
    choice.text += text;
    std::ranges::copy(part.details, std::back_inserter(choice.details));
    if (!options_.stream || (text.empty() && part.details.empty() && !part.end)) return {};
    json::value logprobs = nullptr;
    if (options_.logprobs) logprobs = completion_logprobs(part.details, choice.sent_characters);
    choice.sent_characters += text::char_count(text);
    json::value finish = nullptr;
    if (part.end) finish = json::string(finish_reason_name(part.end->reason, false));
    return event({{"index", part.choice}, {"text", text}, {"logprobs", std::move(logprobs)}, {"finish_reason", std::move(finish)}});
}

std::string Answer::end_of_stream() const {
    std::string events;
    if (options_.include_usage) {
        json::object response = response_json(options_.identity, {});
        response["usage"] = usage_json(usage_);
        add_progress(response, usage_);
        events += sse_data(response);
    }
    return events + "data: [DONE]\n\n";
}

json::object Answer::whole() const {
    json::array choices;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
        const Choice& choice = choices_[i];
        const ChatMessage& message = choice.deltas.message();
        json::object out{{"index", i}};
        if (options_.shape == AnswerShape::kChat) {
            json::object said{{"role", "assistant"}, {"content", message.content}, {"refusal", nullptr}};
            if (!message.reasoning.empty()) said["reasoning_content"] = message.reasoning;
            if (!message.tool_calls.empty()) {
                said["tool_calls"] = tool_calls_json(message.tool_calls, choice.deltas.call_ids());
                if (message.content.empty()) said["content"] = nullptr;
            }
            out["message"] = std::move(said);
            out["logprobs"] = nullptr;
            if (options_.logprobs) out["logprobs"] = chat_logprobs(choice.details);
        } else {
            out["text"] = choice.text;
            out["logprobs"] = nullptr;
            if (options_.logprobs) out["logprobs"] = completion_logprobs(choice.details, 0);
        }
        out["finish_reason"] = finish_reason_name(choice.finish.value_or(FinishReason::kStop), !message.tool_calls.empty());
        choices.push_back(std::move(out));
    }
    json::object response = response_json(options_.identity, std::move(choices));
    response["usage"] = usage_json(usage_);
    return response;
}

}  // namespace atrium::model
