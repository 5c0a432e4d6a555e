#include "app/routing/routing_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/routing/internal/state.h"
#include "base/text.h"
#include "observability/log/log.h"

namespace atrium::app {
namespace {

using State = RoutingService::State;

template <class Settings>
bool has_name(const std::vector<Settings>& entries, const std::string& name) {
    return std::ranges::find(entries, name, &Settings::name) != entries.end();
}

/// A stored entry of that name, or nullptr.
template <class Stored>
Stored* find_stored(std::vector<Stored>& entries, const std::string& name) {
    const auto found = std::ranges::find_if(entries, [&](const Stored& entry) { return entry.settings.name == name; });
    return found == entries.end() ? nullptr : &*found;
}

Error no_such(std::string_view kind, const std::string& name) {
    return not_found(fmt::format("There is no {} '{}'.", kind, text::shorten(text::to_valid_utf8(name), 128)))
        .with_reason(fmt::format("{}_not_found", kind));
}

Error managed(std::string_view kind, const std::string& name) {
    return failed_precondition(
               fmt::format("The {0} '{1}' is part of the configuration file; change it there and reload.", kind, name))
        .with_reason("managed_by_configuration");
}

Error taken(std::string_view kind, const std::string& name) {
    return already_exists(fmt::format("There is a {} '{}' already.", kind, name)).with_field("name");
}

/// Every target has to exist when it comes over the API: a typing error would be an outage.
Result<> check_targets(const model::Router& router, const config::AliasSettings& alias) {
    std::vector<std::pair<std::string, std::string>> targets;
    for (const auto& arm : alias.arms) targets.emplace_back("arms", arm.target);
    for (const auto* chain : {&alias.fallbacks.rate_limit, &alias.fallbacks.context_length, &alias.fallbacks.content,
                              &alias.fallbacks.outage}) {
        for (const auto& target : *chain) targets.emplace_back("fallbacks", target);
    }
    for (const auto& shadow : alias.shadow) targets.emplace_back("shadow", shadow.target);
    for (const auto& [field, target] : targets) {
        auto found = router.find(target);
        if (!found)
            return fail(invalid_argument(found.error().message()).with_field(field).with_reason("model_not_found"));
    }
    return {};
}

AliasView view_of(const State& state, const StoredAlias& alias) {
    AliasView view{alias.settings, false, alias.created_at / 1000, alias.updated_at / 1000, alias.previous, {}};
    const std::string prefix = fmt::format("alias '{}': ", alias.settings.name);
    for (const auto& problem : state.parts.router.missing_targets()) {
        if (problem.starts_with(prefix)) view.problems.push_back(problem.substr(prefix.size()));
    }
    return view;
}

UpstreamView view_of(const State& state, const StoredUpstream& upstream) {
    UpstreamView view{upstream.settings, false, upstream.created_at / 1000, {}};
    for (auto& status : state.parts.router.status()) {
        if (status.upstream == upstream.settings.name) view.deployments.push_back(std::move(status));
    }
    return view;
}

UpstreamView configured_view(const State& state, const config::UpstreamSettings& settings) {
    auto view = view_of(state, StoredUpstream{settings, 0, 0});
    view.from_configuration = true;
    if (!view.settings.key.empty()) view.settings.key = "configured";
    return view;
}

AliasView configured_view(const State& state, const config::AliasSettings& settings) {
    StoredAlias plain;
    plain.settings = settings;
    auto view = view_of(state, plain);
    view.from_configuration = true;
    return view;
}

template <class T>
Task<Result<T>> write(State& state, std::function<Result<T>(sql::Session&)> work) {
    return state.parts.database.write<T>(std::move(work));
}

}  // namespace

Result<> State::publish() {
    model::RoutingTable table;
    table.deployments = local;
    std::vector<std::string> names;
    for (const auto& settings : upstreams) {
        TRY_ASSIGN(auto deployments, builder.deployments(settings));
        std::ranges::move(deployments, std::back_inserter(table.deployments));
        names.push_back(settings.name);
    }
    for (const auto& upstream : stored.upstreams) {
        if (has_name(upstreams, upstream.settings.name)) continue;
        auto deployments = builder.deployments(upstream.settings);
        if (!deployments) {
            // It was usable when it was stored; the others still are.
            log::error("a stored upstream is left out",
                       {{"upstream", upstream.settings.name}, {"error", deployments.error()}});
            continue;
        }
        std::ranges::move(*deployments, std::back_inserter(table.deployments));
        names.push_back(upstream.settings.name);
    }
    for (const auto& settings : aliases) table.aliases.push_back(TableBuilder::alias(settings));
    for (const auto& alias : stored.aliases) {
        if (!has_name(aliases, alias.settings.name)) table.aliases.push_back(TableBuilder::alias(alias.settings));
    }
    parts.router.publish(std::move(table));
    builder.keep_only(names);
    for (const auto& problem : parts.router.missing_targets())
        log::warning("a target of an alias does not exist", {{"problem", problem}});
    return {};
}

Task<Result<>> State::refresh() {
    CO_TRY_ASSIGN(auto fresh, co_await parts.database.read<StoredRouting>(load_routing));
    const std::scoped_lock lock(mutex);
    stored = std::move(fresh);
    co_return publish();
}

RoutingService::RoutingService(Parts parts) : state_(std::make_shared<State>(std::move(parts))) {}
RoutingService::~RoutingService() = default;

Result<> RoutingService::start(std::vector<model::Deployment> local, std::vector<config::UpstreamSettings> upstreams,
                               std::vector<config::AliasSettings> aliases) {
    TRY_ASSIGN(auto stored, state_->parts.database.read_now<StoredRouting>(load_routing));
    const std::scoped_lock lock(state_->mutex);
    state_->local = std::move(local);
    state_->upstreams = std::move(upstreams);
    state_->aliases = std::move(aliases);
    state_->stored = std::move(stored);
    return state_->publish();
}

Result<> RoutingService::reload(std::vector<config::UpstreamSettings> upstreams,
                                std::vector<config::AliasSettings> aliases) {
    const std::scoped_lock lock(state_->mutex);
    std::swap(state_->upstreams, upstreams);
    std::swap(state_->aliases, aliases);
    auto published = state_->publish();
    if (published) return {};
    std::swap(state_->upstreams, upstreams);
    std::swap(state_->aliases, aliases);
    return published;
}

Task<> RoutingService::run(boost::asio::io_context& context, StopToken stop) {
    TaskGroup checks(context);
    co_await keep_up(state_, checks, stop);
    checks.request_stop();
    co_await checks.join();
}

std::vector<UpstreamView> RoutingService::upstreams() const {
    const std::scoped_lock lock(state_->mutex);
    std::vector<UpstreamView> views;
    for (const auto& settings : state_->upstreams) views.push_back(configured_view(*state_, settings));
    for (const auto& upstream : state_->stored.upstreams) {
        if (!has_name(state_->upstreams, upstream.settings.name)) views.push_back(view_of(*state_, upstream));
    }
    // Local engines are an upstream too, without settings of their own here.
    UpstreamView local;
    local.settings.name = "local";
    local.from_configuration = true;
    for (auto& status : state_->parts.router.status()) {
        if (status.upstream == "local") {
            local.settings.models.push_back(status.model);
            local.deployments.push_back(std::move(status));
        }
    }
    if (!local.deployments.empty()) views.insert(views.begin(), std::move(local));
    return views;
}

Result<UpstreamView> RoutingService::upstream(const std::string& name) const {
    for (auto& view : upstreams()) {
        if (view.settings.name == name) return std::move(view);
    }
    return fail(no_such("upstream", name));
}

Task<Result<UpstreamView>> RoutingService::create_upstream(config::UpstreamSettings settings) {
    const std::string name = settings.name;
    const auto now = unix_millis(state_->parts.clock.system());
    const StoredUpstream made{std::move(settings), now, now};
    {
        const std::scoped_lock lock(state_->mutex);
        if (has_name(state_->upstreams, name) || find_stored(state_->stored.upstreams, name) != nullptr)
            co_return fail(taken("upstream", name));
        CO_TRY(state_->builder.deployments(made.settings));
    }
    CO_TRY(co_await write<void>(*state_, [made](sql::Session& session) { return insert_upstream(session, made); }));
    CO_TRY(co_await state_->refresh());
    co_return upstream(name);
}

Task<Result<UpstreamView>> RoutingService::replace_upstream(config::UpstreamSettings settings) {
    const std::string name = settings.name;
    StoredUpstream made{std::move(settings), 0, unix_millis(state_->parts.clock.system())};
    {
        const std::scoped_lock lock(state_->mutex);
        if (has_name(state_->upstreams, name) || name == "local") co_return fail(managed("upstream", name));
        CO_TRY(state_->builder.deployments(made.settings));
    }
    CO_TRY_ASSIGN(const bool found, co_await write<bool>(*state_, [made](sql::Session& session) {
                      return update_upstream(session, made);
                  }));
    if (!found) co_return fail(no_such("upstream", name));
    CO_TRY(co_await state_->refresh());
    co_return upstream(name);
}

Task<Result<>> RoutingService::remove_upstream(std::string name) {
    {
        const std::scoped_lock lock(state_->mutex);
        if (has_name(state_->upstreams, name) || name == "local") co_return fail(managed("upstream", name));
    }
    CO_TRY_ASSIGN(const bool found, co_await write<bool>(*state_, [name](sql::Session& session) {
                      return delete_upstream(session, name);
                  }));
    if (!found) co_return fail(no_such("upstream", name));
    co_return co_await state_->refresh();
}

std::vector<AliasView> RoutingService::aliases() const {
    const std::scoped_lock lock(state_->mutex);
    std::vector<AliasView> views;
    for (const auto& settings : state_->aliases) views.push_back(configured_view(*state_, settings));
    for (const auto& alias : state_->stored.aliases) {
        if (!has_name(state_->aliases, alias.settings.name)) views.push_back(view_of(*state_, alias));
    }
    return views;
}

Result<AliasView> RoutingService::alias(const std::string& name) const {
    for (auto& view : aliases()) {
        if (view.settings.name == name) return std::move(view);
    }
    return fail(no_such("alias", name));
}

Task<Result<AliasView>> RoutingService::create_alias(config::AliasSettings settings) {
    const std::string name = settings.name;
    CO_TRY(check_targets(state_->parts.router, settings));
    StoredAlias made;
    made.settings = std::move(settings);
    made.created_at = made.updated_at = unix_millis(state_->parts.clock.system());
    if (alias(name)) co_return fail(taken("alias", name));
    CO_TRY(co_await write<void>(*state_, [made](sql::Session& session) { return insert_alias(session, made); }));
    CO_TRY(co_await state_->refresh());
    co_return alias(name);
}

/// Replaces what `change` makes of the stored alias; its result is the row to write.
static Task<Result<>> change_alias(std::shared_ptr<State> state, std::string name,
                                   std::function<Result<StoredAlias>(StoredAlias)> change) {
    std::optional<StoredAlias> made;
    {
        const std::scoped_lock lock(state->mutex);
        if (has_name(state->aliases, name)) co_return fail(managed("alias", name));
        const auto* stored = find_stored(state->stored.aliases, name);
        if (stored == nullptr) co_return fail(no_such("alias", name));
        CO_TRY_ASSIGN(made, change(*stored));
    }
    made->updated_at = unix_millis(state->parts.clock.system());
    CO_TRY_ASSIGN(const bool found, co_await write<bool>(*state, [row = *made](sql::Session& session) {
                      return update_alias(session, row);
                  }));
    if (!found) co_return fail(no_such("alias", name));
    co_return co_await state->refresh();
}

Task<Result<AliasView>> RoutingService::replace_alias(config::AliasSettings settings) {
    const std::string name = settings.name;
    CO_TRY(check_targets(state_->parts.router, settings));
    CO_TRY(co_await change_alias(state_, name, [settings](StoredAlias alias) -> Result<StoredAlias> {
        alias.previous = alias.settings.arms;
        alias.settings = settings;
        return alias;
    }));
    co_return alias(name);
}

Task<Result<AliasView>> RoutingService::set_weights(std::string name, std::vector<config::ArmSettings> weights) {
    CO_TRY(co_await change_alias(state_, name, [weights](StoredAlias alias) -> Result<StoredAlias> {
        alias.previous = alias.settings.arms;
        double total = 0;
        for (const auto& weight : weights) {
            const auto arm = std::ranges::find(alias.settings.arms, weight.target, &config::ArmSettings::target);
            if (arm == alias.settings.arms.end()) {
                return fail(
                    invalid_argument(fmt::format("The alias '{}' has no arm '{}'.", alias.settings.name, weight.target))
                        .with_field("weights"));
            }
            arm->weight = weight.weight;
        }
        for (const auto& arm : alias.settings.arms) total += arm.weight;
        if (total <= 0) return fail(invalid_argument("at least one arm needs a weight").with_field("weights"));
        return alias;
    }));
    co_return alias(name);
}

Task<Result<AliasView>> RoutingService::rollback(std::string name) {
    CO_TRY(co_await change_alias(state_, name, [](StoredAlias alias) -> Result<StoredAlias> {
        if (!alias.previous) {
            return fail(failed_precondition(
                            fmt::format("The alias '{}' has no earlier weights to return to.", alias.settings.name))
                            .with_reason("nothing_to_roll_back"));
        }
        alias.settings.arms = *alias.previous;
        // A second click is not to bring the bad step back.
        alias.previous.reset();
        return alias;
    }));
    co_return alias(name);
}

Task<Result<>> RoutingService::remove_alias(std::string name) {
    {
        const std::scoped_lock lock(state_->mutex);
        if (has_name(state_->aliases, name)) co_return fail(managed("alias", name));
    }
    CO_TRY_ASSIGN(const bool found,
                  co_await write<bool>(*state_, [name](sql::Session& session) { return delete_alias(session, name); }));
    if (!found) co_return fail(no_such("alias", name));
    co_return co_await state_->refresh();
}

}  // namespace atrium::app
