#include "app/usage/journal.h"

#include <boost/crc.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::app {
namespace {

constexpr std::string_view kPrefix = "usage-";
constexpr std::string_view kSuffix = ".log";
constexpr std::uint64_t kReadBytes = 1 << 20;
constexpr std::size_t kCrcDigits = 8;

std::string checksum(std::string_view bytes) {
    boost::crc_32_type crc;
    crc.process_bytes(bytes.data(), bytes.size());
    return fmt::format("{:08x}", crc.checksum());
}

/// "CRC json" without the line break.
bool read_line(std::string_view line, UsageRecord& record) {
    if (line.size() <= kCrcDigits + 1) return false;
    const auto body = line.substr(kCrcDigits + 1);
    return line.substr(0, kCrcDigits) == checksum(body) && decode_record(body, record);
}

}  // namespace

Path UsageJournal::path(std::uint64_t sequence) const {
    return options_.directory / fmt::format("{}{:016}{}", kPrefix, sequence, kSuffix);
}

Result<std::unique_ptr<UsageJournal>> UsageJournal::open(Fs& fs, Options options) {
    TRY(fs.make_directories(options.directory));
    std::unique_ptr<UsageJournal> journal(new UsageJournal(fs, std::move(options)));
    TRY_ASSIGN(const auto names, fs.list(journal->options_.directory));
    for (const auto& name : names) {
        if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
        const std::string_view digits =
            std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
        // Written with leading zeros, which to_int takes.
        const auto sequence = text::to_int(digits);
        if (!sequence || *sequence <= 0) continue;
        TRY_ASSIGN(const auto bytes, fs.size(journal->options_.directory / name));
        journal->segments_.push_back({static_cast<std::uint64_t>(*sequence), bytes});
    }
    std::ranges::sort(journal->segments_, {}, &Segment::sequence);
    if (!journal->segments_.empty()) {
        journal->next_sequence_ = journal->segments_.back().sequence + 1;
        journal->read_from_ = {journal->segments_.front().sequence, 0};
    }
    return journal;
}

Result<> UsageJournal::start_segment() {
    writer_.reset();
    TRY_ASSIGN(auto file, fs_.open_append(path(next_sequence_)));
    segments_.push_back({next_sequence_++, 0});
    if (segments_.size() == 1) read_from_ = {segments_.front().sequence, 0};
    writer_ = std::move(file);
    return {};
}

Result<> UsageJournal::append(std::span<const UsageRecord> records) {
    if (records.empty()) return {};
    if (bytes() >= options_.max_bytes)
        return fail(resource_exhausted(fmt::format("the usage journal holds {} bytes, its limit", bytes())));
    if (!writer_ || segments_.back().bytes >= options_.segment_bytes) TRY(start_segment());
    std::string text;
    text.reserve(records.size() * 400);
    for (const auto& record : records) {
        const auto body = encode_record(record);
        text += checksum(body);
        text += ' ';
        text += body;
        text += '\n';
    }
    auto written = writer_->append(text);
    if (written) written = writer_->sync();
    if (!written) {
        writer_.reset();
        return written;
    }
    segments_.back().bytes += text.size();
    return {};
}

Result<UsageJournal::Batch> UsageJournal::read(std::size_t limit) {
    Batch batch;
    batch.end = read_from_;
    for (const auto& segment : segments_) {
        if (segment.sequence < batch.end.sequence) continue;
        if (segment.sequence > batch.end.sequence) batch.end = {segment.sequence, 0};
        while (batch.end.offset < segment.bytes && batch.records.size() < limit) {
            const auto wanted = std::min(kReadBytes, segment.bytes - batch.end.offset);
            TRY_ASSIGN(const auto text, fs_.read_range(path(segment.sequence), batch.end.offset, wanted));
            std::string_view rest = text;
            std::size_t line_end = 0;
            while (batch.records.size() < limit && (line_end = rest.find('\n')) != std::string_view::npos) {
                UsageRecord record;
                if (read_line(rest.substr(0, line_end), record)) {
                    batch.records.push_back(std::move(record));
                } else {
                    ++batch.damaged;
                }
                rest.remove_prefix(line_end + 1);
            }
            const auto taken = text.size() - rest.size();
            batch.end.offset += taken;
            if (batch.records.size() >= limit) break;
            // No line break in all that is left: the half line that a crash cut off, or nonsense.
            if (taken == 0) {
                ++batch.damaged;
                batch.end.offset += text.size();
                if (text.empty()) batch.end.offset = segment.bytes;
            }
        }
        if (batch.records.size() >= limit) break;
    }
    return batch;
}

Result<> UsageJournal::release(Position end) {
    read_from_ = end;
    while (!segments_.empty()) {
        const auto& oldest = segments_.front();
        const bool being_written = writer_ != nullptr && segments_.size() == 1;
        const bool behind = oldest.sequence < end.sequence;
        const bool finished = oldest.sequence == end.sequence && end.offset >= oldest.bytes;
        // The file in use stays until it is full, or every flush would make and remove one.
        if (!behind && !(finished && (!being_written || oldest.bytes >= options_.segment_bytes))) break;
        if (being_written) writer_.reset();
        TRY(fs_.remove(path(oldest.sequence)));
        segments_.pop_front();
    }
    return {};
}

std::uint64_t UsageJournal::bytes() const {
    std::uint64_t sum = 0;
    for (const auto& segment : segments_) {
        if (segment.sequence > read_from_.sequence) sum += segment.bytes;
        if (segment.sequence == read_from_.sequence) sum += segment.bytes - std::min(segment.bytes, read_from_.offset);
    }
    return sum;
}

}  // namespace atrium::app
