#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// An Upstream reached over HTTP in some dialect. Thread-safe; holds nothing that changes.
class HttpUpstream final : public Upstream {
public:
    HttpUpstream(http::Client& client, const Dialect& dialect, UpstreamOptions options, http::Url base);

    const std::string& name() const override { return options_.name; }
    bool supports(Operation operation) const override { return dialect_.supports(operation); }
    Task<Result<std::unique_ptr<UpstreamAnswer>>> call(UpstreamCall call, StopToken stop) override;

private:
    Result<http::ClientRequest> make_request(const UpstreamCall& call) const;
    Error unreachable(const Error& error) const;

    http::Client& client_;
    const Dialect& dialect_;
    const UpstreamOptions options_;
    http::Url base_;
    std::string base_query_;
};

}  // namespace atrium::model
