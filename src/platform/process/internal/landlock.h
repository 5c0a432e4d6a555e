#pragma once

#include <string>
#include <vector>

namespace atrium::process {

/// What this process may do with files from now on, whatever its user may do.
struct FileRules {
    /// Trees that may be read and executed from; everything else is invisible. Without it, reading is not restricted.
    std::vector<std::string> readable;
    bool restrict_reading = false;
    bool allow_sockets = false;  ///< may create socket files; nothing else is ever created, written or removed
};

/// Confines the calling thread, and so all later threads and children, with Landlock. Opened files stay as they are.
/// False where the kernel has no Landlock: seccomp alone has to do then.
bool restrict_files(const FileRules& rules);

}  // namespace atrium::process
