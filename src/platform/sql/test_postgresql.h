#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>

namespace atrium::sql {

/// A real PostgreSQL of its own for the tests: data and socket in a temporary folder, no TCP port. Stopped and deleted
/// with the object, and by the kernel when the test dies.
class TestPostgresql {
public:
    /// Null with the reason in `why_not` where PostgreSQL is not installed or cannot run.
    static std::unique_ptr<TestPostgresql> start(std::string& why_not);
    ~TestPostgresql();

    /// With a password, which the server does not ask for, to see where it turns up.
    std::string url() const;
    bool run();   ///< starts the stopped server
    void stop();  ///< at once, as a crash would

private:
    TestPostgresql() = default;
    std::filesystem::path folder_;
    std::filesystem::path binaries_;
    pid_t pid_ = 0;
};

}  // namespace atrium::sql
