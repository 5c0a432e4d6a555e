#pragma once

#include <optional>
#include <string>

#include "app/responses/conversation_store.h"
#include "base/clock.h"
#include "base/json.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Stored responses with their items. Everything is one project's; another project's id is kNotFound. Thread-safe;
/// owned by ResponseService.
class ResponseStore {
public:
    static constexpr std::size_t kMaxChain = 1'000;             ///< responses behind a previous_response_id
    static constexpr std::size_t kMaxContextBytes = 32u << 20;  ///< items that a call gathers
    static constexpr std::chrono::hours kRetention{30 * 24};

    ResponseStore(sql::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

    /// A new row; `response` as it is now, `input` its items. `lease_until` in unix milliseconds: until then some
    /// process answers for an unfinished response.
    Task<Result<>> insert(std::string project, json::object response, json::array input, std::int64_t lease_until);
    /// The end: the final object, output items, and the events for later readers (one JSON per line; may be empty).
    /// False when the row has ended otherwise meanwhile (cancelled elsewhere, removed).
    Task<Result<bool>> finish(std::string project, json::object response, std::string events);
    /// False when the row is not unfinished any more.
    Task<Result<bool>> renew_lease(std::string project, std::string id, std::int64_t lease_until);

    Task<Result<json::object>> get(std::string project, std::string id);
    Task<Result<std::string>> events(std::string project, std::string id);
    Task<Result<>> remove(std::string project, std::string id);
    /// Only an unfinished one; the object as it is afterwards.
    Task<Result<json::object>> cancel(std::string project, std::string id);

    Task<Result<json::object>> input_items(std::string project, std::string id, ItemPaging paging);
    /// Everything said up to and including this response, oldest first.
    Task<Result<json::array>> context(std::string project, std::string id);
    /// A stored item by its id; from a response or a conversation. kNotFound.
    Task<Result<json::object>> item(std::string project, std::string id);

    /// Unfinished responses nobody answers for become "failed": their lease has run out, or they are older than
    /// `lost_before` (unix milliseconds). Those older than the retention disappear.
    Task<Result<>> sweep(std::int64_t lost_before);

private:
    sql::Database& database_;
    const Clock& clock_;
};

}  // namespace atrium::app
