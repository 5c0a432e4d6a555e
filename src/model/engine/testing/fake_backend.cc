#include "model/engine/testing/fake_backend.h"

#include <algorithm>

#include "base/json.h"

namespace atrium::model {
namespace {

struct FakeSampler final : Sampler {
    bool ban_end = false;
};

}  // namespace

FakeBackend::FakeBackend(FakeOptions options) : options_(std::move(options)) {
    facts_.description = "fake";
    facts_.vocabulary = 259;
    facts_.context = options_.context;
    facts_.context_train = options_.context_train;
    facts_.batch_tokens = options_.batch_tokens;
    facts_.sequences = options_.sequences;
    facts_.sequence_ids = options_.sequence_ids;
    facts_.share_prefixes = options_.share_prefixes;
    facts_.has_chat_template = true;
    facts_.embedding_dimensions = 4;
}

Result<std::vector<Token>> FakeBackend::tokenize(std::string_view text, bool add_special, bool) const {
    std::vector<Token> tokens;
    if (add_special) tokens.push_back(kFakeBegin);
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
}

std::string FakeBackend::piece(Token token, bool special) const {
    if (token < 256) return std::string(1, static_cast<char>(token));
    if (!special) return {};
    return token == kFakeBegin ? "<s>" : token == kFakeEnd ? "</s>" : "<call>";
}

Result<ChatPrompt> FakeBackend::render(const ChatInput& input) const {
    if (!input.tools_json.empty() && input.tool_choice != "none") return fail(unimplemented("no tools").with_field("tools"));
    TRY_ASSIGN(const json::value messages, json::parse(input.messages_json));
    ChatPrompt prompt;
    for (const json::value& message : messages.as_array()) {
        prompt.text += std::string(json::string_or(message.as_object(), "role")) + ">";
        prompt.text += std::string(json::string_or(message.as_object(), "content")) + "\n";
    }
    prompt.text += "assistant:";
    if (!input.json_schema.empty()) {
        TRY_ASSIGN(prompt.grammar.text, grammar_from_schema(input.json_schema));
    }
    return prompt;
}

Result<std::string> FakeBackend::grammar_from_schema(std::string_view schema_json) const {
    if (schema_json.find("impossible") != std::string_view::npos) {
        return fail(invalid_argument("the JSON schema cannot be enforced").with_reason("invalid_json_schema"));
    }
    return std::string("root ::= [a-z]+");
}

std::vector<Token> FakeBackend::held(SequenceId sequence) const {
    std::vector<std::pair<std::int32_t, Token>> found;
    for (const Cell& cell : cells_) {
        if (cell.sequences.contains(sequence)) found.emplace_back(cell.position, cell.token);
    }
    std::ranges::sort(found);
    std::vector<Token> tokens;
    for (const auto& [position, token] : found) tokens.push_back(token);
    return tokens;
}

Token FakeBackend::next_token(std::span<const Token> sequence) const {
    if (!options_.script.empty()) {
        std::size_t said = 0;
        while (said < sequence.size() && sequence[sequence.size() - 1 - said] != ':') ++said;
        return said < options_.script.size() ? static_cast<unsigned char>(options_.script[said]) : kFakeEnd;
    }
    std::uint64_t hash = 14695981039346656037ull;
    for (const Token token : sequence) hash = (hash ^ static_cast<std::uint64_t>(token)) * 1099511628211ull;
    hash ^= hash >> 29;
    return hash % 53 == 0 ? kFakeEnd : static_cast<Token>('a' + hash % 26);
}

std::string FakeBackend::expected_answer(std::vector<Token> prompt, int max_new) const {
    std::string answer;
    for (int i = 0; i < max_new; ++i) {
        const Token next = next_token(prompt);
        if (next == kFakeEnd) break;
        answer += piece(next, false);
        prompt.push_back(next);
    }
    return answer;
}

DecodeStatus FakeBackend::decode(std::span<const BatchToken> batch) {
    if (options_.before_decode) options_.before_decode();
    if (options_.fail_with != DecodeStatus::kOk) return options_.fail_with;
    if (batch.empty() || batch.size() > static_cast<std::size_t>(facts_.batch_tokens)) return DecodeStatus::kInvalid;
    if (cells_.size() + batch.size() > static_cast<std::size_t>(options_.context)) return DecodeStatus::kNoSpace;
    std::map<SequenceId, std::vector<Token>> sequences;
    for (const BatchToken& item : batch) {
        if (item.sequence < 0 || item.sequence >= facts_.sequence_ids || item.token < 0 || item.token >= facts_.vocabulary) return DecodeStatus::kInvalid;
        auto [tokens, fresh] = sequences.try_emplace(item.sequence);
        if (fresh) tokens->second = held(item.sequence);
        if (item.position != static_cast<std::int32_t>(tokens->second.size())) return DecodeStatus::kInvalid;
        tokens->second.push_back(item.token);
    }
    outputs_.clear();
    for (const BatchToken& item : batch) {
        cells_.push_back({item.position, item.token, {item.sequence}});
        if (!item.output) continue;
        const std::vector<Token>& tokens = sequences.at(item.sequence);
        outputs_.push_back(next_token(std::span(tokens).first(static_cast<std::size_t>(item.position) + 1)));
    }
    if (outputs_.size() > static_cast<std::size_t>(facts_.sequences)) return DecodeStatus::kInvalid;
    largest_batch_ = std::max(largest_batch_, static_cast<int>(batch.size()));
    computed_tokens_ += batch.size();
    return DecodeStatus::kOk;
}

Result<std::unique_ptr<Sampler>> FakeBackend::make_sampler(const SamplerSettings& settings) {
    if (settings.grammar.text == "broken") return fail(invalid_argument("the grammar does not parse").with_field("grammar"));
    auto sampler = std::make_unique<FakeSampler>();
    sampler->ban_end = settings.ban_end;
    return sampler;
}

Result<TokenChoice> FakeBackend::sample(Sampler& sampler, int output_index, int top) {
    if (output_index < 0 || static_cast<std::size_t>(output_index) >= outputs_.size()) return fail(internal_error("no such output"));
    TokenChoice choice;
    choice.token = outputs_[static_cast<std::size_t>(output_index)];
    if (static_cast<FakeSampler&>(sampler).ban_end && choice.token == kFakeEnd) choice.token = '.';
    if (top >= 0) {
        choice.logprob = -0.5F;
        for (int i = 0; i < top; ++i) choice.top.emplace_back(i == 0 ? choice.token : Token('0' + i), -0.5F - static_cast<float>(i));
    }
    return choice;
}

void FakeBackend::remove(SequenceId sequence, std::int32_t from) {
    for (Cell& cell : cells_) {
        if (cell.position >= from) cell.sequences.erase(sequence);
    }
    std::erase_if(cells_, [](const Cell& cell) { return cell.sequences.empty(); });
}

void FakeBackend::copy(SequenceId from, SequenceId to, std::int32_t length) {
    for (Cell& cell : cells_) {
        if (cell.position < length && cell.sequences.contains(from)) cell.sequences.insert(to);
    }
}

Result<std::vector<std::vector<float>>> FakeBackend::embed(std::span<const std::vector<Token>> inputs) {
    if (options_.before_decode) options_.before_decode();
    if (options_.fail_with != DecodeStatus::kOk) return fail(unavailable("broken"));
    std::size_t total = 0;
    std::vector<std::vector<float>> vectors;
    for (const auto& input : inputs) {
        total += input.size();
        float sum = 0;
        for (const Token token : input) sum += static_cast<float>(token);
        vectors.push_back({sum, static_cast<float>(input.size()), 1.0F, 0.0F});
    }
    if (inputs.size() > static_cast<std::size_t>(facts_.sequences) || total > static_cast<std::size_t>(facts_.batch_tokens)) {
        return fail(internal_error("the batch is too large"));
    }
    embed_batches_.push_back(inputs.size());
    return vectors;
}

}  // namespace atrium::model
