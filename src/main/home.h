#pragma once

#include <string>

#include "base/result.h"
#include "platform/fs/fs.h"

namespace atrium {

/// The home folder of one installation, held by one server at a time.
///
///     atrium.yaml   settings (optional)      models/   installed models
///     atrium.db     SQLite state             files/    uploaded files
///     admin.key     the first key (0600)     run/      sockets, lock, address of the running server
///
/// The lock is an flock on run/lock: it goes with the process, so a kill -9 leaves nothing to clean up.
class Home {
public:
    /// Creates what is missing (0700). kPermissionDenied when it cannot be written, kFailedPrecondition when another
    /// server holds it; both say what to do.
    static Result<Home> open(const std::string& directory);
    ~Home();
    Home(Home&& other) noexcept;
    Home(const Home&) = delete;

    const Path& directory() const { return directory_; }
    Path models() const { return directory_ / "models"; }
    Path run() const { return directory_ / "run"; }
    Path files() const { return directory_ / "files"; }

    /// The stored first key, or empty.
    std::string stored_admin_key() const;
    Result<> store_admin_key(const std::string& key) const;
    /// Tells tools and tests where the server listens: "http://127.0.0.1:8080" in run/address.
    Result<> announce(const std::string& url) const;

private:
    Home(Path directory, int lock) : directory_(std::move(directory)), lock_(lock) {}
    Path directory_;
    int lock_ = -1;
};

}  // namespace atrium
