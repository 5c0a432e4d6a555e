#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/tenancy/tenancy.h"

namespace atrium::app {

/// Limits, budgets and lists of models of organisations, projects and users; limits per model and spend alerts of
/// projects. They are in force when the task is done. Keys carry theirs themselves (key_service.h). What the
/// administrator does not reach is kNotFound. Stateless.
class PolicyService {
public:
    static constexpr int kMaxModelLimits = 1000;
    static constexpr int kMaxAlerts = 50;

    explicit PolicyService(Tenancy& tenancy) : tenancy_(tenancy) {}

    /// `kind`: organisation (the administrator's own; `id` is ignored), project, or user (also a service account).
    Task<Result<SubjectPolicy>> find(Administrator by, SubjectKind kind, std::string id);
    /// `edit` changes the stored policy; `event` names the change in the audit log.
    Task<Result<SubjectPolicy>> update(Administrator by, SubjectKind kind, std::string id, std::string event,
                                       std::function<void(SubjectPolicy&)> edit);

    Task<Result<std::vector<ModelLimit>>> model_limits(Administrator by, std::string project);
    Task<Result<ModelLimit>> set_model_limit(Administrator by, std::string project, ModelLimit limit);

    /// An empty `project`: the organisation's.
    Task<Result<Listed<SpendAlert>>> list_alerts(Administrator by, std::string project, Range range);
    Task<Result<SpendAlert>> find_alert(Administrator by, std::string project, std::string id);
    /// Makes it when `alert.id` is empty, else replaces that one.
    Task<Result<SpendAlert>> put_alert(Administrator by, SpendAlert alert);
    Task<Result<>> remove_alert(Administrator by, std::string project, std::string id);

private:
    Tenancy& tenancy_;
};

}  // namespace atrium::app
