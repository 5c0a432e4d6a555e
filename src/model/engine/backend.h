#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

/// What an inference library has to do for an engine, without naming one. The implementation over libllama is a shared
/// module (llama/) that only `atrium engine` opens; tests use a fake. No exception crosses this interface.
namespace atrium::model {

using Token = std::int32_t;
using SequenceId = std::int32_t;

struct BackendOptions {
    std::string model_path;
    bool embedding = false;     ///< pooled vectors instead of text
    int context = 8192;         ///< KV cells shared by all sequences; embedding: ignored
    int sequences = 8;          ///< sequences computed in one step, and outputs per step
    int batch_tokens = 512;     ///< largest step; embedding: raised to the model's context
    int threads = 1;
    std::string chat_template;  ///< jinja; empty: the one inside the file
    std::function<bool(float)> progress;  ///< 0…1 while loading; false gives up
};

/// What is known once the model is loaded.
struct BackendFacts {
    std::string description;       ///< "gemma3 270M Q4_K - Medium"
    int vocabulary = 0;
    int context = 0;               ///< KV cells really allocated
    int context_train = 0;         ///< positions the model knows
    int batch_tokens = 0;          ///< hard limit of one decode() or embed()
    int sequences = 0;             ///< hard limit of outputs of one decode(), of inputs of one embed()
    int sequence_ids = 0;          ///< ids 0 … sequence_ids-1 are valid in the KV calls
    int embedding_dimensions = 0;
    bool share_prefixes = false;   ///< copy() may share a leading part, remove() may cut a tail
    bool has_chat_template = false;
    bool supports_tools = false;
    std::uint64_t parameters = 0;
    std::uint64_t weight_bytes = 0;
};

/// Text to tokens and back. Thread-safe.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;
    /// `add_special` adds what the model wants around a prompt (BOS …); `parse_special` reads "<eos>" as that token.
    virtual Result<std::vector<Token>> tokenize(std::string_view text, bool add_special, bool parse_special) const = 0;
    /// The bytes of one token, possibly a fragment of a character. Control tokens are empty unless `special`.
    virtual std::string piece(Token token, bool special) const = 0;
    virtual bool is_end(Token token) const = 0;
};

/// A GBNF grammar; `lazy` ones bind only after a trigger.
struct Grammar {
    std::string text;  ///< empty: none
    bool lazy = false;
    std::vector<std::string> trigger_patterns;
    std::vector<Token> trigger_tokens;
    std::vector<Token> prefix;  ///< part of the prompt that already belongs to the grammar
};

struct ToolCall {
    std::string name;
    std::string arguments;  ///< JSON text
    bool operator==(const ToolCall&) const = default;
};

struct ChatMessage {
    std::string content;
    std::string reasoning;
    std::vector<ToolCall> tool_calls;
};

/// Splits what a model wrote into content, reasoning and tool calls. Thread-compatible.
class OutputParser {
public:
    virtual ~OutputParser() = default;
    /// `partial`: the text may continue, so an unfinished call is held back or completed as far as possible.
    virtual Result<ChatMessage> parse(const std::string& text, bool partial) const = 0;
};

struct ChatInput {
    std::string messages_json;  ///< OpenAI messages, contents flattened to strings
    std::string tools_json;     ///< OpenAI tools; empty: none
    std::string tool_choice = "auto";
    std::string json_schema;    ///< empty: any text
    bool parallel_tool_calls = true;
    bool enable_thinking = true;
};

struct ChatPrompt {
    std::string text;
    Grammar grammar;
    std::vector<std::string> stop;
    std::vector<Token> preserved;                ///< control tokens whose text the parser needs
    std::shared_ptr<const OutputParser> parser;  ///< null: the output is the content
};

/// Prompts from messages, grammars from schemas. Thread-safe; may take milliseconds (templates are programs).
class ChatFormat {
public:
    virtual ~ChatFormat() = default;
    /// kInvalidArgument when the template refuses the messages or the schema does not convert,
    /// kUnimplemented for tools with a template that has none.
    virtual Result<ChatPrompt> render(const ChatInput& input) const = 0;
    virtual Result<std::string> grammar_from_schema(std::string_view schema_json) const = 0;
};

struct SamplerSettings {
    float temperature = 1.0F;  ///< 0: greedy
    float top_p = 1.0F;
    float min_p = 0.0F;
    int top_k = 0;             ///< 0: off
    float repetition_penalty = 1.0F;
    float frequency_penalty = 0.0F;
    float presence_penalty = 0.0F;
    std::uint32_t seed = 0;
    std::vector<std::pair<Token, float>> logit_bias;
    bool ban_end = false;      ///< never end by itself ("ignore_eos")
    Grammar grammar;
};

/// The sampling state of one request: random numbers, penalties, grammar. Belongs to the decode thread.
class Sampler {
public:
    virtual ~Sampler() = default;
};

struct TokenChoice {
    Token token = 0;
    float logprob = 0;  ///< under the model's own distribution, before temperature and the rest
    std::vector<std::pair<Token, float>> top;  ///< most likely first
};

struct BatchToken {
    Token token = 0;
    std::int32_t position = 0;
    SequenceId sequence = 0;
    bool output = false;  ///< logits wanted; the n-th such token has output index n
};

enum class DecodeStatus {
    kOk,
    kNoSpace,  ///< no KV cells; nothing changed
    kAborted,  ///< abort() was called; nothing changed
    kInvalid,  ///< the batch contradicts the KV state; nothing changed
    kFailed,   ///< the backend is unusable
};

/// The model's computation. Every call from one thread (the decode thread), except abort().
/// The implementation checks each argument, because the library below aborts the process on a wrong one.
class Decoder {
public:
    virtual ~Decoder() = default;
    virtual DecodeStatus decode(std::span<const BatchToken> batch) = 0;
    /// kInvalidArgument for a grammar that does not parse.
    virtual Result<std::unique_ptr<Sampler>> make_sampler(const SamplerSettings& settings) = 0;
    /// Chooses from the logits of the last decode() and advances the sampler. `top` < 0: no log probabilities.
    virtual Result<TokenChoice> sample(Sampler& sampler, int output_index, int top) = 0;
    /// Forgets positions ≥ `from` of a sequence.
    virtual void remove(SequenceId sequence, std::int32_t from) = 0;
    /// Lets `to` (which is empty) share positions 0 … length-1 of `from`.
    virtual void copy(SequenceId from, SequenceId to, std::int32_t length) = 0;
    /// One vector per input, not normalised. At most facts().sequences inputs and facts().batch_tokens tokens.
    virtual Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<Token>> inputs) = 0;
    /// Ends a running decode() soon. Thread-safe; sticky.
    virtual void abort() = 0;
};

/// One loaded model. Created on the decode thread, destroyed when no thread uses it any more.
class Backend {
public:
    virtual ~Backend() = default;
    virtual const BackendFacts& facts() const = 0;
    virtual const Tokenizer& tokenizer() const = 0;
    virtual const ChatFormat& chat() const = 0;
    virtual Decoder& decoder() = 0;
};

/// What a module exports: `extern "C" const ModuleEntry* atrium_engine_module()`.
struct ModuleEntry {
    std::uint32_t interface_version;  ///< kBackendInterface of the module
    /// kInvalidArgument: not a usable model file; kFailedPrecondition: usable, but not for this task or memory.
    Result<std::unique_ptr<Backend>> (*load)(const BackendOptions& options);
};
inline constexpr std::uint32_t kBackendInterface = 1;
using ModuleFunction = const ModuleEntry* (*)();
inline constexpr const char* kModuleSymbol = "atrium_engine_module";

}  // namespace atrium::model
