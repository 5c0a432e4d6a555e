#include "model/routing/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "base/text.h"

namespace atrium::model {
namespace {

struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// The immutable table: routes in the order they were published, and where each name stands.
struct Table {
    std::vector<Route> routes;
    std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> by_name;
};

using Readiness = std::function<std::optional<std::string>(std::string_view)>;

void refresh(ModelInfo& info, const Readiness* readiness) {
    if (readiness == nullptr || !*readiness) return;
    auto reason = (*readiness)(info.id);
    info.ready = !reason.has_value();
    info.not_ready_reason = std::move(reason).value_or(std::string());
}

}  // namespace

struct Router::State {
    std::atomic<std::shared_ptr<const Table>> table{std::make_shared<const Table>()};
    std::atomic<std::shared_ptr<const Readiness>> readiness;
};

Router::Router() : state_(std::make_unique<State>()) {}
Router::~Router() = default;

void Router::publish(std::vector<Route> routes) {
    auto table = std::make_shared<Table>();
    for (auto& route : routes) {
        // The first of a name wins: local engines are published before upstreams that happen to share it.
        if (!table->by_name.emplace(route.info.id, table->routes.size()).second) continue;
        table->routes.push_back(std::move(route));
    }
    state_->table.store(std::move(table));
}

Result<Route> Router::resolve(std::string_view model) const {
    const auto table = state_->table.load();
    const auto found = table->by_name.find(model);
    if (found == table->by_name.end()) {
        std::vector<std::string_view> names;
        for (const auto& route : table->routes) names.push_back(route.info.id);
        std::string message =
            fmt::format("The model '{}' does not exist.", text::shorten(text::to_valid_utf8(model), 100));
        if (const auto near = text::closest(model, names)) {
            message += fmt::format(" Did you mean '{}'?", *near);
        } else if (table->routes.empty()) {
            message += " No model is installed yet; run 'atrium pull'.";
        } else {
            message += " GET /v1/models lists the models of this installation.";
        }
        return fail(not_found(std::move(message)).with_reason("model_not_found").with_field("model"));
    }
    Route route = table->routes[found->second];
    const auto readiness = state_->readiness.load();
    refresh(route.info, readiness.get());
    if (!route.info.ready) {
        const std::string& reason = route.info.not_ready_reason;
        return fail(unavailable(fmt::format("The model '{}' is not ready{}{}. Please retry shortly.", route.info.id,
                                            reason.empty() ? "" : ": ", reason))
                        .with_reason("model_not_ready"));
    }
    return route;
}

std::vector<ModelInfo> Router::models() const {
    const auto table = state_->table.load();
    const auto readiness = state_->readiness.load();
    std::vector<ModelInfo> models;
    models.reserve(table->routes.size());
    for (const auto& route : table->routes) refresh(models.emplace_back(route.info), readiness.get());
    return models;
}

Result<std::string> Router::default_model(bool embedding) const {
    const auto all = models();
    const auto fits = [&](const ModelInfo& info) { return info.embedding == embedding && info.ready; };
    if (const auto found = std::find_if(all.begin(), all.end(), fits); found != all.end()) return found->id;
    const auto kind = embedding ? "embedding" : "chat";
    const bool starting =
        std::any_of(all.begin(), all.end(), [&](const ModelInfo& info) { return info.embedding == embedding; });
    if (starting)
        return fail(unavailable(fmt::format("No {} model is ready yet. Please retry shortly.", kind))
                        .with_reason("model_not_ready"));
    return fail(not_found(fmt::format("No {0} model is installed; 'atrium pull' or the configuration adds one.", kind))
                    .with_reason("model_not_found"));
}

void Router::set_readiness(std::function<std::optional<std::string>(std::string_view model)> not_ready_reason) {
    state_->readiness.store(std::make_shared<const Readiness>(std::move(not_ready_reason)));
}

}  // namespace atrium::model
