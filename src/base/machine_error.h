#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

/// Trouble of the machine that Atrium runs on, which is nobody's request: a full disk, a folder that may not be
/// written, a database that is locked or away. The operator reads the whole error, with its paths, in the log and in
/// the output of a command. A client reads shown_to_client() of it and nothing else. The kind travels as the error's
/// reason, so it survives every TRY between the system call and the gateway.
namespace atrium {

enum class MachineTrouble : std::uint8_t {
    kStorageFull,         ///< "disk_full": no space or quota left
    kStorageReadOnly,     ///< "storage_read_only": the file system or its permissions refuse a write
    kStorageUnavailable,  ///< "storage_unavailable": the database is locked, away or overloaded; it comes back
    kMachineExhausted,    ///< "machine_exhausted": descriptors or memory used up
    kMachineFailure,      ///< "machine_failure": any other refusal of the system
};

/// An error with this kind as its reason; `message` is for operators and may hold paths.
Error machine_error(MachineTrouble trouble, Code code, std::string message);

/// The kind of this error itself, or nothing.
std::optional<MachineTrouble> machine_trouble(const Error& error);

/// Whether this error or one of its causes is trouble of the machine: then an operator has to hear of it, whatever
/// status the client was given.
bool has_machine_cause(const Error& error);

/// What a client may know: a neutral sentence with the kind as its reason, the error itself as the cause. Errors that
/// are no machine trouble come back as they are.
Error shown_to_client(const Error& error);

/// Whether the client's trying again soon is pointless: somebody has to free space or mend permissions first.
bool needs_operator(const Error& error);

}  // namespace atrium
