#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/engine/backend.h"

/// A model without weights for tests: bytes are tokens, the KV cache is a list of cells as real as the library's, and
/// the next token is a function of exactly what the sequence holds. So whatever the scheduler does (chunks, shared
/// prefixes, requests set aside and taken up again), a wrong byte in the answer proves a wrong cell.
namespace atrium::model {

inline constexpr Token kFakeBegin = 256;
inline constexpr Token kFakeEnd = 257;
inline constexpr Token kFakeControl = 258;  ///< "<call>"

struct FakeOptions {
    int context = 1024;
    int context_train = 4096;
    int sequences = 4;
    int batch_tokens = 64;
    int sequence_ids = 32;
    bool share_prefixes = true;
    /// What follows the last ':' of the sequence; then the end token. Empty: letters hashed from all tokens.
    std::string script;
    std::function<void()> before_decode;  ///< on the decode thread
    DecodeStatus fail_with = DecodeStatus::kOk;
};

class FakeBackend final : public Backend, public Tokenizer, public ChatFormat, public Decoder {
public:
    explicit FakeBackend(FakeOptions options);

    const BackendFacts& facts() const override { return facts_; }
    const Tokenizer& tokenizer() const override { return *this; }
    const ChatFormat& chat() const override { return *this; }
    Decoder& decoder() override { return *this; }

    Result<std::vector<Token>> tokenize(std::string_view text, bool add_special, bool parse_special) const override;
    std::string piece(Token token, bool special) const override;
    bool is_end(Token token) const override { return token == kFakeEnd; }

    Result<ChatPrompt> render(const ChatInput& input) const override;
    Result<std::string> grammar_from_schema(std::string_view schema_json) const override;

    DecodeStatus decode(std::span<const BatchToken> batch) override;
    Result<std::unique_ptr<Sampler>> make_sampler(const SamplerSettings& settings) override;
    Result<TokenChoice> sample(Sampler& sampler, int output_index, int top) override;
    void remove(SequenceId sequence, std::int32_t from) override;
    void copy(SequenceId from, SequenceId to, std::int32_t length) override;
    Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<Token>> inputs) override;
    void abort() override {}

    Token next_token(std::span<const Token> sequence) const;
    /// What a model alone in the world would answer.
    std::string expected_answer(std::vector<Token> prompt, int max_new) const;
    int cells_used() const { return static_cast<int>(cells_.size()); }
    int largest_batch() const { return largest_batch_; }
    std::uint64_t computed_tokens() const { return computed_tokens_; }
    std::vector<std::size_t>& embed_batches() { return embed_batches_; }

private:
    struct Cell {
        std::int32_t position;
        Token token;
        std::set<SequenceId> sequences;
    };
    std::vector<Token> held(SequenceId sequence) const;

    FakeOptions options_;
    BackendFacts facts_;
    std::vector<Cell> cells_;
    std::vector<Token> outputs_;
    int largest_batch_ = 0;
    std::uint64_t computed_tokens_ = 0;
    std::vector<std::size_t> embed_batches_;
};

}  // namespace atrium::model
