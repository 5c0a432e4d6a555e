#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// An upstream or alias that was made through the API.
template <class Settings>
struct StoredEntry {
    Settings settings;
    std::int64_t created_at = 0;  ///< unix milliseconds
    std::int64_t updated_at = 0;
};
using StoredUpstream = StoredEntry<config::UpstreamSettings>;
struct StoredAlias : StoredEntry<config::AliasSettings> {
    std::optional<std::vector<config::ArmSettings>> previous;  ///< arms before the last change of weights
};

struct StoredRouting {
    std::vector<StoredUpstream> upstreams;
    std::vector<StoredAlias> aliases;
    std::int64_t version = 0;
};

/// The rows of upstreams and aliases; functions for use inside one transaction. A row that cannot be read any more is
/// logged and left out: one bad row is not to take the others with it.
Result<StoredRouting> load_routing(sql::Session& session);
Result<std::int64_t> routing_version(sql::Session& session);

/// kAlreadyExists when the name is taken.
Result<> insert_upstream(sql::Session& session, const StoredUpstream& upstream);
/// False: there is no such row.
Result<bool> update_upstream(sql::Session& session, const StoredUpstream& upstream);
Result<bool> delete_upstream(sql::Session& session, const std::string& name);
Result<> insert_alias(sql::Session& session, const StoredAlias& alias);
Result<bool> update_alias(sql::Session& session, const StoredAlias& alias);
Result<bool> delete_alias(sql::Session& session, const std::string& name);

}  // namespace atrium::app
