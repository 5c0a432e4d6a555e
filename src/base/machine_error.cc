#include "base/machine_error.h"

#include <array>
#include <string_view>

namespace atrium {
namespace {

struct TroubleRow {
    MachineTrouble trouble;
    std::string_view reason;
    Code shown;
    std::string_view sentence;
};

constexpr std::array<TroubleRow, 5> kTroubles{{
    {MachineTrouble::kStorageFull, "disk_full", Code::kUnavailable,
     "The server has no storage space left, so nothing was stored. Its operator has to free some."},
    {MachineTrouble::kStorageReadOnly, "storage_read_only", Code::kUnavailable,
     "The server's storage cannot be written at present. Its operator has to look at the server's log."},
    {MachineTrouble::kStorageUnavailable, "storage_unavailable", Code::kUnavailable,
     "The server's database is not available at the moment. Please retry shortly."},
    {MachineTrouble::kMachineExhausted, "machine_exhausted", Code::kUnavailable,
     "The server is short of resources. Please retry shortly."},
    {MachineTrouble::kMachineFailure, "machine_failure", Code::kInternal,
     "The server failed while handling this request."},
}};

const TroubleRow* row_of(const Error& error) {
    for (const auto& row : kTroubles) {
        if (row.reason == error.reason()) return &row;
    }
    return nullptr;
}

}  // namespace

Error machine_error(MachineTrouble trouble, Code code, std::string message) {
    const auto& row = kTroubles[static_cast<std::size_t>(trouble)];
    return Error(code, std::move(message)).with_reason(std::string(row.reason));
}

std::optional<MachineTrouble> machine_trouble(const Error& error) {
    const auto* row = row_of(error);
    return row != nullptr ? std::optional(row->trouble) : std::nullopt;
}

bool has_machine_cause(const Error& error) {
    for (const Error* at = &error; at != nullptr; at = at->cause()) {
        if (row_of(*at) != nullptr) return true;
    }
    return false;
}

Error shown_to_client(const Error& error) {
    const auto* row = row_of(error);
    if (row == nullptr) return error;
    return Error(row->shown, std::string(row->sentence)).with_reason(std::string(row->reason)).with_cause(error);
}

bool needs_operator(const Error& error) {
    const auto trouble = machine_trouble(error);
    return trouble == MachineTrouble::kStorageFull || trouble == MachineTrouble::kStorageReadOnly;
}

}  // namespace atrium
