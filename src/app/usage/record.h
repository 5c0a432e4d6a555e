#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace atrium::app {

/// The tokens of one call in buckets that exclude each other, so that nothing is priced twice. Dialects differ in what
/// includes what (OpenAI's prompt_tokens holds the cached ones, Anthropic's input_tokens does not); this does not.
struct TokenBuckets {
    std::int64_t fresh_input = 0;  ///< read by the model at full price
    std::int64_t cache_read = 0;   ///< input found in a prompt cache
    std::int64_t cache_write = 0;  ///< input written to one
    std::int64_t output = 0;       ///< visible answer
    std::int64_t reasoning = 0;    ///< thinking; priced as output

    /// From OpenAI's nested counts: cached and cache-writing tokens are part of the prompt, reasoning of the
    /// completion. Parts that are larger than their whole, or negative, are cut down to it.
    static TokenBuckets from_openai(std::int64_t prompt, std::int64_t completion, std::int64_t cached,
                                    std::int64_t cache_write, std::int64_t reasoning);

    std::int64_t input() const { return fresh_input + cache_read + cache_write; }
    std::int64_t completion() const { return output + reasoning; }
    std::int64_t total() const { return input() + completion(); }
    bool operator==(const TokenBuckets&) const = default;
};

/// One settled model call.
struct UsageRecord {
    std::string request_id;  ///< unique per model call: "req_…", further calls of the same request "req_….2"
    std::string organisation;
    std::string project;
    std::string key_id;
    std::string user_id;    ///< empty: a key that belongs to nobody in particular
    std::string operation;  ///< "chat", "text_completion", "embeddings", …
    std::string model;
    std::string upstream;
    TokenBuckets tokens;
    std::int64_t cost_micros = 0;    ///< millionths of a US dollar
    std::int64_t price_version = 0;  ///< the row of the price table; 0: not priced
    bool estimated = false;          ///< broke off before anybody reported
    bool cache_hit = false;          ///< answered from the response cache: nothing was called
    bool batch = false;
    int attempts = 1;
    int status = 0;  ///< HTTP status of the call; 499 when the caller left
    std::int64_t duration_ms = 0;
    std::int64_t at = 0;  ///< unix milliseconds; UsageLog::record() fills it when 0
};

/// One line of JSON without line breaks, and back (false for what is none); the format of the journal.
std::string encode_record(const UsageRecord& record);
bool decode_record(std::string_view line, UsageRecord& record);

}  // namespace atrium::app
