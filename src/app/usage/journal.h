#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "app/usage/record.h"
#include "base/result.h"
#include "platform/fs/fs.h"

namespace atrium::app {

/// Settled calls on their way to the database: a folder of append-only files ("usage-<sequence>.log"), one record per
/// line behind its CRC-32. What append() returned for survives the process and the machine; what a crash left
/// half-written is skipped on reading. The only queue there is: memory holds no copy, so a database that is away for a
/// day costs disk (up to `max_bytes`), not memory.
///
/// Owned by UsageLog. Blocking, one thread at a time. After a failed append the file is left alone and the next append
/// starts another one.
class UsageJournal {
public:
    struct Options {
        Path directory;
        std::uint64_t segment_bytes = 1 << 20;  ///< then a new file
        std::uint64_t max_bytes = 2ull << 30;   ///< kResourceExhausted beyond
    };
    /// Makes the folder and finds what an earlier run left; that is read first.
    static Result<std::unique_ptr<UsageJournal>> open(Fs& fs, Options options);

    /// All of them, durably, or an error.
    Result<> append(std::span<const UsageRecord> records);

    /// A place between two records.
    struct Position {
        std::uint64_t sequence = 0;
        std::uint64_t offset = 0;
    };
    struct Batch {
        std::vector<UsageRecord> records;
        Position end;
        std::size_t damaged = 0;  ///< lines that could not be read
    };
    /// The oldest records that have not been released, at most `limit`; the same again until release().
    Result<Batch> read(std::size_t limit);
    /// What lies before `end` is in the database; files that lie before it entirely are removed.
    Result<> release(Position end);

    std::uint64_t bytes() const;  ///< not yet released

private:
    UsageJournal(Fs& fs, Options options) : fs_(fs), options_(std::move(options)) {}
    struct Segment {
        std::uint64_t sequence = 0;
        std::uint64_t bytes = 0;  ///< durable
    };
    Path path(std::uint64_t sequence) const;
    Result<> start_segment();

    Fs& fs_;
    const Options options_;
    std::deque<Segment> segments_;  ///< oldest first
    std::uint64_t next_sequence_ = 1;
    std::unique_ptr<WritableFile> writer_;  ///< of the last segment; null: the next append starts one
    Position read_from_;
};

}  // namespace atrium::app
