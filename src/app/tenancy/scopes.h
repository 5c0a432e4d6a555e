#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium::app {

/// What a key may do. The set is small and fixed; each route asks for one of them (or for none).
enum class Scope : std::uint8_t {
    kModelsRead,    ///< "models.read": list the models
    kInference,     ///< "inference": chat, completions, responses, messages, embeddings, …
    kFiles,         ///< "files"
    kVectorStores,  ///< "vector_stores": knowledge bases, retrieval, answers
    kBatches,       ///< "batches"
    kUsageRead,     ///< "usage.read": what the own project used
    kAdminRead,     ///< "admin.read": look at projects, people, keys, policies, audit
    kAdminWrite,    ///< "admin.write": change them
};
constexpr int kScopeCount = 8;
std::string_view scope_name(Scope scope);

/// A set of scopes; a value of one byte's worth of bits.
class ScopeSet {
public:
    constexpr ScopeSet() = default;
    static constexpr ScopeSet all() { return ScopeSet((1u << kScopeCount) - 1); }
    /// Everything but administration: what a key gets when nobody says otherwise.
    static constexpr ScopeSet ordinary() { return ScopeSet(all().bits_ & ~admin().bits_); }
    static constexpr ScopeSet admin() { return ScopeSet(bit(Scope::kAdminRead) | bit(Scope::kAdminWrite)); }

    /// kInvalidArgument with the list of scopes for a name that is not one.
    static Result<ScopeSet> parse(const std::vector<std::string>& names);

    constexpr bool has(Scope scope) const { return (bits_ & bit(scope)) != 0; }
    constexpr bool within(ScopeSet other) const { return (bits_ & ~other.bits_) == 0; }
    constexpr bool empty() const { return bits_ == 0; }
    constexpr ScopeSet operator&(ScopeSet other) const { return ScopeSet(bits_ & other.bits_); }
    constexpr ScopeSet operator|(ScopeSet other) const { return ScopeSet(bits_ | other.bits_); }
    constexpr ScopeSet minus(ScopeSet other) const { return ScopeSet(bits_ & ~other.bits_); }
    constexpr bool operator==(const ScopeSet&) const = default;

    std::vector<std::string> names() const;  ///< in the order of the enumeration
    std::string text() const;                ///< names separated by spaces, as stored

private:
    constexpr explicit ScopeSet(std::uint32_t bits) : bits_(bits) {}
    static constexpr std::uint32_t bit(Scope scope) { return 1u << static_cast<unsigned>(scope); }
    std::uint32_t bits_ = 0;
};

}  // namespace atrium::app
