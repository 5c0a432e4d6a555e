#include "app/usage/usage_log.h"

#include <algorithm>
#include <iterator>

#include "app/usage/internal/record_writer.h"
#include "observability/log/log.h"

namespace atrium::app {
namespace {

constexpr std::size_t kBatch = 500;
constexpr std::chrono::milliseconds kJournalInterval{50};
constexpr std::chrono::milliseconds kStoreInterval{200};
constexpr std::chrono::milliseconds kRetryInterval{2000};

/// A small number per thread, for choosing a shard.
std::size_t thread_number() {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t number = next.fetch_add(1);
    return number;
}

}  // namespace

UsageLog::UsageLog(sql::Database& database, const Clock& clock, Options options)
    : database_(database), clock_(clock), options_(std::move(options)), writer_(std::make_unique<RecordWriter>()) {
    if (options_.metrics == nullptr) return;
    dropped_total_ =
        options_.metrics->counter("atrium_usage_records_dropped_total",
                                  "Settled calls that were lost because neither disk nor memory took them.");
    waiting_bytes_ = options_.metrics->gauge("atrium_usage_journal_bytes",
                                             "Settled calls on disk that are not yet in the database.");
}

UsageLog::UsageLog(sql::Database& database, const Clock& clock) : UsageLog(database, clock, Options{}) {}
UsageLog::~UsageLog() = default;

void UsageLog::drop_one() {
    dropped_.fetch_add(1);
    if (options_.metrics != nullptr) dropped_total_.add();
}

/// Under journal_mutex_.
void UsageLog::note_journal_size() {
    if (options_.metrics != nullptr) waiting_bytes_.set(static_cast<double>(options_.journal->bytes()));
}

void UsageLog::record(UsageRecord record) {
    if (record.at == 0) record.at = unix_millis(clock_.system());
    auto& shard = shards_[thread_number() % shards_.size()];
    if (gathered_.fetch_add(1) >= options_.capacity) {
        gathered_.fetch_sub(1);
        drop_one();
        return;
    }
    std::scoped_lock lock(shard.mutex);
    shard.records.push_back(std::move(record));
}

std::size_t UsageLog::queued() const {
    std::scoped_lock lock(mutex_);
    return in_memory_.size() + gathered_.load();
}

std::vector<UsageRecord> UsageLog::gather() {
    std::vector<UsageRecord> all;
    for (auto& shard : shards_) {
        std::vector<UsageRecord> taken;
        {
            std::scoped_lock lock(shard.mutex);
            taken.swap(shard.records);
        }
        gathered_.fetch_sub(taken.size());
        all.insert(all.end(), std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end()));
    }
    return all;
}

void UsageLog::keep_in_memory(std::vector<UsageRecord> records) {
    std::scoped_lock lock(mutex_);
    for (auto& record : records) {
        if (in_memory_.size() >= options_.capacity) {
            in_memory_.pop_front();
            drop_one();
        }
        in_memory_.push_back(std::move(record));
    }
}

/// On a thread of the pool: the disk may be slow.
Result<> UsageLog::write_journal(std::vector<UsageRecord> records) {
    if (records.empty()) return {};
    Result<> written = fail(unavailable("there is no journal"));
    if (options_.journal) {
        std::scoped_lock lock(journal_mutex_);
        written = options_.journal->append(records);
        note_journal_size();
    }
    if (!written) keep_in_memory(std::move(records));
    return options_.journal ? written : Result<>{};
}

Result<std::size_t> UsageLog::store(const std::vector<UsageRecord>& records) {
    auto added =
        database_.write_now<std::size_t>([&](sql::Session& session) { return writer_->write(session, records); });
    if (added) writer_->committed(records);
    if (added && on_stored_) on_stored_(records);
    return added;
}

/// One batch.
Result<std::size_t> UsageLog::store_from_memory() {
    std::vector<UsageRecord> batch;
    {
        std::scoped_lock lock(mutex_);
        const auto count = static_cast<std::ptrdiff_t>(std::min(kBatch, in_memory_.size()));
        batch.assign(in_memory_.begin(), in_memory_.begin() + count);
    }
    TRY_ASSIGN(const auto added, store(batch));
    std::scoped_lock lock(mutex_);
    // What overflowed meanwhile went from the front as well, so the ids say how far to go.
    for (const auto& record : batch) {
        if (!in_memory_.empty() && in_memory_.front().request_id == record.request_id) in_memory_.pop_front();
    }
    return added;
}

Result<std::size_t> UsageLog::store_all() {
    std::scoped_lock turn(store_mutex_);
    std::size_t sum = 0;
    while (true) {
        {
            std::scoped_lock lock(mutex_);
            if (in_memory_.empty()) break;
        }
        TRY_ASSIGN(const auto added, store_from_memory());
        sum += added;
    }
    while (options_.journal) {
        UsageJournal::Batch batch;
        {
            std::scoped_lock lock(journal_mutex_);
            TRY_ASSIGN(batch, options_.journal->read(kBatch));
        }
        if (batch.damaged > 0)
            log::warning("the usage journal had lines that a crash left unfinished", {{"lines", batch.damaged}});
        if (!batch.records.empty()) {
            TRY_ASSIGN(const auto added, store(batch.records));
            sum += added;
        }
        std::scoped_lock lock(journal_mutex_);
        TRY(options_.journal->release(batch.end));
        note_journal_size();
        if (batch.records.empty()) break;
    }
    return sum;
}

void UsageLog::tell(const Result<std::size_t>& stored) {
    if (!stored && !failing_)
        log::warning("usage cannot be written to the database; it waits in the journal", {{"error", stored.error()}});
    if (stored && failing_) log::info("usage is written to the database again", {{"records", *stored}});
    failing_ = !stored;
}

void UsageLog::recover() {
    if (!options_.journal || options_.journal->bytes() == 0) return;
    const auto stored = store_all();
    tell(stored);
    if (stored && *stored > 0) log::info("usage of an earlier run was recovered", {{"records", *stored}});
}

Task<Result<std::size_t>> UsageLog::flush() {
    co_return co_await offload(threads_, [this]() -> Result<std::size_t> {
        TRY(write_journal(gather()));
        return store_all();
    });
}

Task<> UsageLog::keep_journal(StopToken stop, Event done) {
    for (bool last = false; !last;) {
        co_await sleep_for(kJournalInterval, stop);
        last = stop.stop_requested();
        if (gathered_.load() == 0) continue;
        const auto written = co_await offload(threads_, [this]() -> Result<> { return write_journal(gather()); });
        if (!written && !journal_failing_)
            log::error("the usage journal cannot be written; settled calls are kept in memory only",
                       {{"error", written.error()}});
        journal_failing_ = !written;
    }
    done.set();
}

Task<> UsageLog::run(StopToken stop) {
    Event journal_done;
    co_await spawn_here(keep_journal(stop, journal_done));
    while (!stop.stop_requested()) {
        // An empty round costs one look at two queues.
        const auto stored = co_await offload(threads_, [this]() -> Result<std::size_t> { return store_all(); });
        tell(stored);
        co_await sleep_for(stored ? kStoreInterval : kRetryInterval, stop);
    }
    co_await journal_done.wait(std::chrono::seconds(10));
    tell(co_await flush());
}

}  // namespace atrium::app
