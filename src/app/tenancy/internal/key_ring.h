#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "app/tenancy/principal.h"
#include "base/result.h"
#include "platform/sql/database.h"

namespace atrium::app::internal {

/// When a key was last used; written by io threads, at most once a second each, collected by flushes. Survives
/// snapshots.
struct KeyActivity {
    std::atomic<std::int64_t> last_used_ms{0};
    std::int64_t flushed_ms = 0;  ///< guarded by KeyRing's lock
};

/// One live secret. Times are unix milliseconds.
struct KeyEntry {
    std::shared_ptr<const Principal> principal;
    std::int64_t expires_at = 0;    ///< of the key; 0: never
    std::int64_t secret_until = 0;  ///< of this secret, after a rotation; 0: as long as the key
    std::shared_ptr<KeyActivity> activity;
};

/// SHA-256 (hex) of each live secret → who it is, as of one version of the database.
struct KeySnapshot {
    std::int64_t version = 0;
    std::unordered_map<std::string, KeyEntry> entries;
};

/// Reads everything in one transaction: keys, and the policies they inherit.
Result<KeySnapshot> load_snapshot(sql::Session& session);
Result<std::int64_t> stored_version(sql::Session& session);

/// The snapshot that the request path reads. Look-ups take no lock; publishing an older version than the one in force
/// does nothing, so simultaneous reloads may end in any order. Thread-safe.
class KeyRing {
public:
    KeyRing();

    /// kUnauthenticated: invalid_api_key, or key_expired.
    Result<Principal> authenticate(std::string_view secret, std::int64_t now_ms) const;
    void publish(KeySnapshot snapshot);
    std::int64_t version() const { return snapshot_.load()->version; }

    /// Keys used since the last call, with the time; at most `most`.
    std::vector<std::pair<std::string, std::int64_t>> take_used(std::size_t most);
    std::int64_t last_used_ms(const std::string& key_id) const;

private:
    std::atomic<std::shared_ptr<const KeySnapshot>> snapshot_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<KeyActivity>> activity_;
};

}  // namespace atrium::app::internal
