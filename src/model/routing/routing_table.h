#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/routing/balance.h"
#include "model/upstream/upstream.h"

namespace atrium::model {

/// One model as callers see it in `GET /v1/models`.
struct ModelInfo {
    std::string id;
    std::string owned_by;  ///< "atrium" for local engines and aliases, else the upstream's name
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

/// US dollars per million tokens.
struct Price {
    double input = 0;
    double output = 0;
};

/// One model on one upstream: what a call finally goes to.
struct Deployment {
    std::string id;       ///< "<upstream>/<model>", unique, callable as a model name
    ModelInfo info;       ///< info.id is the model's own name; `ready` as known when the table was made
    std::string version;  ///< makes "name@version" callable; may be empty
    std::shared_ptr<Upstream> upstream;
    std::string upstream_name;
    std::string upstream_model;
    double weight = 1;       ///< among the deployments of one model; 0: only when asked for by id or through an alias
    int retries = 2;         ///< further attempts after a transient failure
    int max_concurrent = 0;  ///< 0: no limit
    std::chrono::milliseconds ttft{600'000};     ///< until the first content of a stream
    std::chrono::milliseconds total{3'600'000};  ///< until the end of the answer
    std::optional<Price> price;
    bool local = false;  ///< a supervised engine of this installation: readiness comes from its supervisor
};

/// Targets are model names or deployment ids, never other aliases.
struct Arm {
    std::string target;
    double weight = 1;
};
struct Fallbacks {
    std::vector<std::string> rate_limit;
    std::vector<std::string> context_length;
    std::vector<std::string> content;
    std::vector<std::string> outage;
};
struct Shadow {
    std::string target;
    double percent = 0;
};
/// A model name with a choice behind it. It may carry the name of a model, and then stands before it.
struct Alias {
    std::string name;
    std::vector<Arm> arms;
    Strategy strategy = Strategy::kWeighted;
    bool sticky = true;  ///< with kWeighted: a unit keeps its arm
    Fallbacks fallbacks;
    std::vector<Shadow> shadows;
};

/// Everything that can be called. A value; the Router makes an immutable snapshot of it.
struct RoutingTable {
    std::vector<Deployment> deployments;  ///< of two with one id the first counts
    std::vector<Alias> aliases;
};

/// How a deployment is doing, for operators.
struct DeploymentStatus {
    std::string id;
    std::string upstream;
    std::string model;
    std::string state;    ///< "ready", "not_ready", "down", "ejected", "open", "half_open", "rate_limited", "full"
    std::string breaker;  ///< "closed", "open", "half_open"
    double weight = 1;
    double slow_start = 1;  ///< share of its weight that it gets while it warms up
    int outstanding = 0;
    std::int64_t outstanding_tokens = 0;
    double ttft_ms = 0;           ///< Peak-EWMA; 0: not measured yet
    double answer_ms = 0;         ///< the same for answers without streaming
    std::int64_t back_in_ms = 0;  ///< until it gets calls again; 0: it does
};

}  // namespace atrium::model
