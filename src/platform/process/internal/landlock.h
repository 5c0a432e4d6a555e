#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace atrium::process {

/// What this process may do with files from now on, whatever its user may do.
struct FileRules {
    /// Trees that may be read and executed from; everything else is invisible. Without it, reading is not restricted.
    std::vector<std::string> readable;
    bool restrict_reading = false;
    bool allow_sockets = false;  ///< may create socket files; nothing else is ever created, written or removed
};

/// The version of Landlock that the kernel offers; 0: none.
int landlock_version();

/// Confines the calling thread, and so all later threads and children, with Landlock. Opened files stay as they are.
/// False where the kernel has no Landlock: seccomp alone has to do then. kInternal where it has and refuses a rule.
Result<bool> restrict_files(const FileRules& rules);

}  // namespace atrium::process
