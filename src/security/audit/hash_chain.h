#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

/// A list of records of which none can be changed, removed or moved unnoticed: each carries the hash of the one before.
/// Whoever can rewrite the whole list can also recompute it, so note the last hash down somewhere else now and then.
namespace atrium::audit {

/// The hash before the first record.
inline constexpr std::string_view kGenesis = "0000000000000000000000000000000000000000000000000000000000000000";

/// One spelling per value: no white space, members sorted by the bytes of their names.
std::string canonical_json(const json::value& value);

/// SHA-256 in hex over previous hash + "\n" + number + "\n" + record.
std::string chain_hash(std::string_view previous_hash, std::int64_t number, std::string_view record);

struct Link {
    std::int64_t number = 0;    ///< 1, 2, 3, … without gaps
    std::string record;         ///< canonical JSON
    std::string previous_hash;  ///< of the record before
    std::string hash;
};

/// Reads a chain from its start and says where it breaks. Single-threaded.
class ChainVerifier {
public:
    /// kDataLoss that names the first record that is missing, moved or changed; after that the verifier is done.
    Result<> add(const Link& link);
    /// Whether the chain ends where it should: a cut-off tail is kDataLoss.
    Result<> finish(std::int64_t number, std::string_view hash) const;

    std::int64_t count() const { return count_; }
    const std::string& head() const { return head_; }

private:
    std::int64_t count_ = 0;
    std::string head_{kGenesis};
};

}  // namespace atrium::audit
