#include "main/home.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/text.h"

namespace atrium {

Result<Home> Home::open(const std::string& directory) {
    const Path home(directory);
    for (const Path& folder : {home, home / "run"}) {
        if (const Result<> made = machine_fs().make_directories(folder); !made) {
            return fail(Error(made.error().code(), fmt::format("cannot use the home folder '{}'; set ATRIUM_HOME to a folder this user may write",
                                                               directory))
                            .with_cause(made.error()));
        }
    }
    const std::string lock_path = (home / "run/lock").string();
    const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) {
        return fail(Error(Code::kPermissionDenied,
                          fmt::format("cannot write in the home folder '{}'; set ATRIUM_HOME to a folder this user may write", directory))
                        .with_cause(from_errno(errno, "open '" + lock_path + "'")));
    }
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        ::close(lock);
        return fail(failed_precondition(fmt::format("the home folder '{}' is already used by a running server; stop it or set ATRIUM_HOME", directory)));
    }
    return Home(home, lock);
}

Home::~Home() {
    if (lock_ >= 0) ::close(lock_);
}

Home::Home(Home&& other) noexcept : directory_(std::move(other.directory_)), lock_(std::exchange(other.lock_, -1)) {}

std::string Home::stored_admin_key() const {
    const Result<std::string> content = machine_fs().read_file(directory_ / "admin.key", 4096);
    return content ? std::string(text::trim(*content)) : std::string();
}

Result<> Home::store_admin_key(const std::string& key) const {
    return write_file_atomically(machine_fs(), directory_ / "admin.key", key + "\n", 0600);
}

Result<> Home::announce(const std::string& url) const {
    return write_file_atomically(machine_fs(), directory_ / "run/address", url + "\n", 0600);
}

}  // namespace atrium
