#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "model/catalog/pull.h"

namespace atrium::model {

/// One file of a hub repository, resolved: what it must hash to and where its bytes are.
struct HubFile {
    std::string sha256;
    std::uint64_t bytes = 0;  ///< 0: not known
    std::string revision;     ///< the commit, when the hub tells
    http::Url url;            ///< on the hub; may redirect to its content network
};

/// Speaks to Hugging Face and ModelScope (or a mirror of either). Redirects are followed here, explicitly: at most
/// five, never from https to http, and credentials stay with the hub's own origin. Belongs to one io thread.
class HubClient {
public:
    HubClient(http::Client& client, ThreadPool& pool, Fs& fs, const PullOptions& options)
        : client_(client), pool_(pool), fs_(fs), options_(options) {}

    /// Looks the file up. kUnavailable: the hub cannot be reached; kNotFound: no such repository, revision or file;
    /// kPermissionDenied: it wants a token; kFailedPrecondition: its digest is not the pinned one, or it has none.
    Task<Result<HubFile>> resolve(HubSource source, SourceFile file, StopToken stop);

    /// Brings the bytes to `target`, continuing after what is there, and verifies them. A broken connection is taken up
    /// again where it broke; wrong bytes are deleted (kDataLoss). `on_bytes` hears how much of the file is there.
    Task<Result<>> download(Hub hub, HubFile file, Path target, std::function<void(std::uint64_t)> on_bytes,
                            StopToken stop);

private:
    struct Answer {
        std::unique_ptr<http::ClientResponse> response;
        http::Url url;
    };
    Task<Result<Answer>> send(Hub hub, http::Method method, http::Url url, http::Headers headers,
                              bool follow_to_content, StopToken stop);
    Task<Result<HubFile>> resolve_huggingface(HubSource source, SourceFile file, StopToken stop);
    Task<Result<HubFile>> resolve_modelscope(HubSource source, SourceFile file, StopToken stop);
    Task<Result<std::uint64_t>> receive(Hub hub, HubFile file, Path target, std::uint64_t have,
                                        std::function<void(std::uint64_t)> on_bytes, StopToken stop);
    const std::string& endpoint(Hub hub) const;

    http::Client& client_;
    ThreadPool& pool_;
    Fs& fs_;
    const PullOptions& options_;
};

/// SHA-256 of a file, in pieces. Blocking.
Result<std::string> sha256_of_file(Fs& fs, const Path& path, const std::function<void(std::uint64_t)>& on_bytes = {},
                                   const StopToken& stop = {});

}  // namespace atrium::model
