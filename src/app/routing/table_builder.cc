#include "app/routing/table_builder.h"

#include <fmt/format.h>

#include <algorithm>

namespace atrium::app {
namespace {

bool same(const model::UpstreamOptions& a, const model::UpstreamOptions& b) {
    return a.dialect == b.dialect && a.base_url == b.base_url && a.api_key == b.api_key &&
           a.api_version == b.api_version && a.deadlines.connect == b.deadlines.connect &&
           a.deadlines.first_byte == b.deadlines.first_byte && a.deadlines.gap == b.deadlines.gap;
}

}  // namespace

Result<std::shared_ptr<model::Upstream>> TableBuilder::upstream(const config::UpstreamSettings& settings) {
    model::UpstreamOptions options;
    options.name = settings.name;
    options.dialect = settings.dialect;
    options.base_url = settings.url;
    options.api_version = settings.api_version;
    TRY_ASSIGN(options.api_key, config::resolve_secret(settings.key, environment_));
    // The first byte of an answer without streaming is the whole answer; the first content of a stream has its own
    // deadline in the dispatcher.
    options.deadlines = {settings.deadlines.connect, settings.deadlines.total, settings.deadlines.idle};
    const auto found = made_.find(settings.name);
    if (found != made_.end() && same(found->second.options, options)) return found->second.upstream;
    TRY_ASSIGN(auto made, make_upstream_(options));
    std::shared_ptr<model::Upstream> shared = std::move(made);
    made_[settings.name] = {std::move(options), shared};
    return shared;
}

Result<std::vector<model::Deployment>> TableBuilder::deployments(const config::UpstreamSettings& settings) {
    auto made = upstream(settings);
    if (!made) {
        return fail(
            invalid_argument(fmt::format("the upstream '{}' cannot be used: {}", settings.name, made.error().message()))
                .with_field("url")
                .with_cause(made.error()));
    }
    std::vector<model::Deployment> deployments;
    for (const auto& name : settings.models) {
        model::Deployment deployment;
        deployment.id = settings.name + "/" + name;
        deployment.info.id = name;
        deployment.info.owned_by = settings.name;
        deployment.info.ready = true;
        deployment.upstream = *made;
        deployment.upstream_name = settings.name;
        deployment.upstream_model = name;
        deployment.weight = settings.weight;
        deployment.retries = settings.retries;
        deployment.max_concurrent = settings.max_concurrent;
        deployment.ttft = settings.deadlines.ttft;
        deployment.total = settings.deadlines.total;
        if (settings.price) deployment.price = model::Price{settings.price->input, settings.price->output};
        deployments.push_back(std::move(deployment));
    }
    return deployments;
}

model::Alias TableBuilder::alias(const config::AliasSettings& settings) {
    model::Alias alias;
    alias.name = settings.name;
    for (const auto& arm : settings.arms) alias.arms.push_back({arm.target, arm.weight});
    alias.strategy = model::parse_strategy(settings.strategy).value_or(model::Strategy::kWeighted);
    alias.sticky = settings.sticky;
    alias.fallbacks = {settings.fallbacks.rate_limit, settings.fallbacks.context_length, settings.fallbacks.content,
                       settings.fallbacks.outage};
    for (const auto& shadow : settings.shadow) alias.shadows.push_back({shadow.target, shadow.percent});
    return alias;
}

void TableBuilder::keep_only(const std::vector<std::string>& names) {
    std::erase_if(made_, [&](const auto& entry) { return std::ranges::find(names, entry.first) == names.end(); });
}

}  // namespace atrium::app
