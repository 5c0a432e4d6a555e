#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "model/routing/routing_table.h"

namespace atrium::app {

/// Makes routing tables from settings. Connections and credentials stay with an upstream whose settings did not change:
/// its object is used again. Not thread-safe; the service guards it.
class TableBuilder {
public:
    using MakeUpstream = std::function<Result<std::unique_ptr<model::Upstream>>(model::UpstreamOptions)>;
    /// `environment` resolves references in keys.
    TableBuilder(MakeUpstream make_upstream, std::map<std::string, std::string> environment)
        : make_upstream_(std::move(make_upstream)), environment_(std::move(environment)) {}

    /// The error names the upstream: an unusable URL, an unknown dialect, a reference to nothing.
    Result<std::vector<model::Deployment>> deployments(const config::UpstreamSettings& settings);
    static model::Alias alias(const config::AliasSettings& settings);
    /// Lets go of upstreams that are not among `names` any more.
    void keep_only(const std::vector<std::string>& names);

private:
    struct Made {
        model::UpstreamOptions options;
        std::shared_ptr<model::Upstream> upstream;
    };
    Result<std::shared_ptr<model::Upstream>> upstream(const config::UpstreamSettings& settings);

    MakeUpstream make_upstream_;
    std::map<std::string, std::string> environment_;
    std::map<std::string, Made> made_;
};

}  // namespace atrium::app
