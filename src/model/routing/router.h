#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/upstream/upstream.h"

namespace atrium::model {

/// One model as callers see it in `GET /v1/models`.
struct ModelInfo {
    std::string id;
    std::string owned_by;  ///< "atrium" for local engines, else the upstream's name
    bool embedding = false;
    bool small_builtin = false;
    bool ready = false;
    std::string not_ready_reason;
    std::int64_t created = 0;
    int context_length = 0;
    int embedding_dimensions = 0;
    std::string query_prefix;  ///< embeddings only
    std::string passage_prefix;
};

/// Where a model name leads. The table is an immutable snapshot swapped as a whole (no lock on the request path).
struct Route {
    ModelInfo info;
    std::shared_ptr<Upstream> upstream;
    std::string upstream_model;
};

/// Finds the upstream for a model. Thread-safe. Owned by main.
class Router {
public:
    Router();
    ~Router();
    /// Replaces the table. Of two routes with one name the first counts.
    void publish(std::vector<Route> routes);
    /// kNotFound (reason model_not_found) that suggests a near name; kUnavailable when it is known but not ready.
    Result<Route> resolve(std::string_view model) const;
    std::vector<ModelInfo> models() const;
    /// The first ready model of that kind, for callers that name none.
    Result<std::string> default_model(bool embedding) const;
    /// Asked per models()/resolve(): why a model is not ready, or nothing when it is. From then on it decides alone;
    /// before, `ready` is as published. Called on any io thread, so it must not block.
    void set_readiness(std::function<std::optional<std::string>(std::string_view model)> not_ready_reason);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace atrium::model
