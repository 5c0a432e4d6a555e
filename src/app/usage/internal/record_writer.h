#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_set>

#include "app/usage/record.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Puts settled calls into the tables: the event, its hour and day, what its subjects spent. A request id that is there
/// already changes nothing, so a batch may come any number of times. Thread-safe.
class RecordWriter {
public:
    /// Inside a transaction. Number of records that were new.
    Result<std::size_t> write(sql::Session& session, std::span<const UsageRecord> records);

    /// The row of usage_series that a record belongs to; a hash, so that several gateways agree without asking.
    static std::int64_t series_of(const UsageRecord& record);

    /// The transaction that wrote these was committed: their series need not be written again.
    void committed(std::span<const UsageRecord> records);

private:
    bool is_known(std::int64_t series);

    std::mutex mutex_;
    std::unordered_set<std::int64_t> known_series_;
};

}  // namespace atrium::app
