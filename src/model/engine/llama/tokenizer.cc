#include <limits>

#include "model/engine/llama/llama_model.h"

namespace atrium::model::llama {

Result<std::vector<Token>> LlamaTokenizer::tokenize(std::string_view text, bool add_special, bool parse_special) const {
    // The library aborts on more than INT32_MAX tokens; no request body is that large, but the check is cheap.
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() / 2)) {
        return fail(out_of_range("the text is too long to tokenise"));
    }
    try {
        const auto length = static_cast<std::int32_t>(text.size());
        std::vector<Token> tokens(text.size() / 2 + 16);
        std::int32_t count = llama_tokenize(vocabulary_, text.data(), length, tokens.data(),
                                            static_cast<std::int32_t>(tokens.size()), add_special, parse_special);
        if (count == std::numeric_limits<std::int32_t>::min()) return fail(out_of_range("the text is too long to tokenise"));
        if (count < 0) {
            tokens.resize(static_cast<std::size_t>(-count));
            count = llama_tokenize(vocabulary_, text.data(), length, tokens.data(), -count, add_special, parse_special);
        }
        if (count < 0) return fail(internal_error("the tokeniser contradicts itself"));
        tokens.resize(static_cast<std::size_t>(count));
        return tokens;
    } catch (const std::exception& error) {
        return fail(invalid_argument("the text cannot be tokenised").with_cause(unknown_error(error.what())));
    }
}

std::string LlamaTokenizer::piece(Token token, bool special) const {
    if (token < 0 || token >= llama_vocab_n_tokens(vocabulary_)) return {};
    std::string bytes(32, '\0');
    std::int32_t length =
        llama_token_to_piece(vocabulary_, token, bytes.data(), static_cast<std::int32_t>(bytes.size()), 0, special);
    if (length < 0) {
        bytes.resize(static_cast<std::size_t>(-length));
        length = llama_token_to_piece(vocabulary_, token, bytes.data(), -length, 0, special);
    }
    bytes.resize(static_cast<std::size_t>(std::max(length, 0)));
    return bytes;
}

bool LlamaTokenizer::is_end(Token token) const { return llama_vocab_is_eog(vocabulary_, token); }

}  // namespace atrium::model::llama
