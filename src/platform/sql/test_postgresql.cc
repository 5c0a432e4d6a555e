#include "platform/sql/test_postgresql.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

namespace atrium::sql {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

pid_t launch(std::vector<std::string> command, const fs::path& log) {
    // PostgreSQL refuses to run as root.
    if (::geteuid() == 0) {
        const std::vector<std::string> as_postgres{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                                                   "--pdeathsig", "INT"};
        command.insert(command.begin(), as_postgres.begin(), as_postgres.end());
    }
    std::vector<char*> argv;
    for (auto& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid = 0;
    const int result = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    return result == 0 ? pid : 0;
}

fs::path find_binaries() {
    std::error_code ignored;
    fs::path newest;
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
        const fs::path candidate = version.path() / "bin";
        if (fs::exists(candidate / "initdb") && candidate > newest) newest = candidate;
    }
    return newest;
}

}  // namespace

std::unique_ptr<TestPostgresql> TestPostgresql::start(std::string& why_not) {
    std::unique_ptr<TestPostgresql> server(new TestPostgresql);
    server->binaries_ = find_binaries();
    if (server->binaries_.empty()) {
        why_not = "no PostgreSQL server below /usr/lib/postgresql; install the package 'postgresql'";
        return nullptr;
    }
    std::string pattern = (fs::temp_directory_path() / "atrium-pg-XXXXXX").string();
    server->folder_ = ::mkdtemp(pattern.data());
    if (::geteuid() == 0 && std::system(fmt::format("chown postgres: '{}'", server->folder_.string()).c_str()) != 0) {
        why_not = "there is no user 'postgres' to run the server as";
        return nullptr;
    }
    const fs::path data = server->folder_ / "data";
    const pid_t initdb = launch({(server->binaries_ / "initdb").string(), "-D", data.string(), "-U", "atrium", "-A", "trust",
                                 "--no-sync", "-E", "UTF8", "--locale=C"},
                                server->folder_ / "log");
    int status = -1;
    if (initdb == 0 || ::waitpid(initdb, &status, 0) != initdb || status != 0) {
        why_not = fmt::format("initdb failed with status {}", status);
        return nullptr;
    }
    if (!server->run()) {
        why_not = "the server did not start";
        return nullptr;
    }
    return server;
}

bool TestPostgresql::run() {
    const std::string data = (folder_ / "data").string();
    pid_ = launch({(binaries_ / "postgres").string(), "-D", data, "-k", folder_.string(), "-c", "listen_addresses=", "-c",
                   "fsync=off", "-c", "max_connections=20", "-c", "shared_buffers=16MB", "-c", "deadlock_timeout=20ms"},
                  folder_ / "log");
    const std::string ready = (binaries_ / "pg_isready").string();
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    while (pid_ != 0 && std::chrono::steady_clock::now() < give_up) {
        const pid_t probe = launch({ready, "-q", "-h", folder_.string(), "-U", "atrium"}, "/dev/null");
        int status = -1;
        if (probe != 0 && ::waitpid(probe, &status, 0) == probe && status == 0) return true;
        std::this_thread::sleep_for(20ms);
    }
    return false;
}

void TestPostgresql::stop() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGQUIT);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
}

TestPostgresql::~TestPostgresql() {
    stop();
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

std::string TestPostgresql::url() const {
    return fmt::format("postgresql://atrium:s3cr3t-passw0rd@/postgres?host={}", folder_.string());
}

}  // namespace atrium::sql
