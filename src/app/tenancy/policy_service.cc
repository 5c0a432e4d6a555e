#include "app/tenancy/policy_service.h"

#include <fmt/format.h>

#include "app/tenancy/internal/paging.h"
#include "app/tenancy/internal/rows.h"
#include "base/id.h"
#include "base/text.h"

namespace atrium::app {
namespace {

using internal::to_json;

/// The id under which the policy is stored, after checking that the administrator reaches the subject.
Result<std::string> subject_id(sql::Session& session, const Administrator& by, SubjectKind kind,
                               const std::string& id) {
    if (kind == SubjectKind::kOrganisation) return by.principal.organisation;
    if (kind == SubjectKind::kProject) {
        TRY(internal::find_project(session, by, id));
        return id;
    }
    const sql::Params params{{"id", id}, {"organization", by.principal.organisation}};
    TRY_ASSIGN(const auto user,
               session.query_one("SELECT id FROM users WHERE id = :id AND organization_id = :organization", params));
    if (user) return id;
    TRY_ASSIGN(const auto account,
               session.query_one(
                   "SELECT a.id AS id, a.project_id AS project_id FROM service_accounts a JOIN projects p ON p.id "
                   "= a.project_id WHERE a.id = :id AND p.organization_id = :organization",
                   params));
    if (account && by.reaches(account->text("project_id"))) return id;
    return fail(
        not_found(fmt::format("There is no user or service account '{}'.", text::shorten(text::to_valid_utf8(id), 64)))
            .with_reason("user_not_found"));
}

json::object to_json(const ModelLimit& limit) {
    return {{"model", limit.model}, {"limits", internal::to_json(limit.limits)}};
}

json::object to_json(const SpendAlert& alert) {
    json::array recipients;
    for (const auto& recipient : alert.recipients) recipients.emplace_back(recipient);
    return {{"id", alert.id}, {"threshold_cents", alert.threshold_cents}, {"recipients", std::move(recipients)}};
}

SpendAlert read_alert(const sql::Row& row) {
    SpendAlert alert{row.text("id"),
                     row.text("project_id"),
                     row.integer("threshold_cents"),
                     {},
                     row.text("subject_prefix"),
                     row.integer("created_at") / 1000};
    for (const auto recipient : text::split(row.text("recipients"), '\n')) {
        if (!recipient.empty()) alert.recipients.emplace_back(recipient);
    }
    return alert;
}

std::string alerts_of(const Administrator& by, const std::string& project, sql::Params& params) {
    params.emplace_back("organization", by.principal.organisation);
    params.emplace_back("project", project);
    return "organization_id = :organization AND project_id = :project";
}

Result<> reach(sql::Session& session, const Administrator& by, const std::string& project) {
    if (!project.empty()) TRY(internal::find_project(session, by, project));
    return {};
}

Result<SpendAlert> alert_row(sql::Session& session, const Administrator& by, const std::string& project,
                             const std::string& id) {
    TRY(reach(session, by, project));
    sql::Params params{{"id", id}};
    const auto where = alerts_of(by, project, params);
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT * FROM spend_alerts WHERE " + where + " AND id = :id", params));
    if (row) return read_alert(*row);
    return fail(not_found(fmt::format("There is no spend alert '{}' here.", text::shorten(text::to_valid_utf8(id), 64)))
                    .with_reason("spend_alert_not_found"));
}

Result<> check_alert(const SpendAlert& alert) {
    if (alert.threshold_cents < 1 || alert.threshold_cents > 100'000'000'000) {
        return fail(invalid_argument("threshold_amount must be an integer from 1 to 100000000000 (cents)")
                        .with_field("threshold_amount"));
    }
    if (alert.recipients.empty() || alert.recipients.size() > 20) {
        return fail(invalid_argument("recipients must be a list of 1 to 20 addresses")
                        .with_field("notification_channel.recipients"));
    }
    for (const auto& recipient : alert.recipients) {
        TRY(internal::checked_name(recipient, "notification_channel.recipients"));
    }
    if (alert.subject_prefix.empty()) return {};
    TRY(internal::checked_name(alert.subject_prefix, "notification_channel.subject_prefix"));
    return {};
}

Result<SpendAlert> store_alert(const Change& change, SpendAlert alert) {
    std::string recipients;
    for (const auto& recipient : alert.recipients) recipients += recipient + "\n";
    json::value before = nullptr;
    if (!alert.id.empty()) {
        TRY_ASSIGN(const auto old, alert_row(change.session, change.by, alert.project, alert.id));
        before = to_json(old);
        alert.created_at = old.created_at;
        TRY(change.session.execute(
            "UPDATE spend_alerts SET threshold_cents = :cents, recipients = :recipients, subject_prefix "
            "= :prefix WHERE id = :id",
            {{"cents", alert.threshold_cents},
             {"recipients", recipients},
             {"prefix", alert.subject_prefix},
             {"id", alert.id}}));
    } else {
        TRY(reach(change.session, change.by, alert.project));
        alert.id = new_id("alert_");
        alert.created_at = change.now_ms / 1000;
        sql::Params params;
        const auto where = alerts_of(change.by, alert.project, params);
        TRY_ASSIGN(const auto row,
                   change.session.query_one("SELECT COUNT(*) AS n FROM spend_alerts WHERE " + where, params));
        if (row->integer("n") >= PolicyService::kMaxAlerts) {
            return fail(
                resource_exhausted(fmt::format("There can be at most {} spend alerts.", PolicyService::kMaxAlerts)));
        }
        TRY(change.session.execute(
            "INSERT INTO spend_alerts (id, organization_id, project_id, threshold_cents, recipients, "
            "subject_prefix, created_at) VALUES (:id, :organization, :project, :cents, :recipients, "
            ":prefix, :now)",
            {{"id", alert.id},
             {"organization", change.by.principal.organisation},
             {"project", alert.project},
             {"cents", alert.threshold_cents},
             {"recipients", recipients},
             {"prefix", alert.subject_prefix},
             {"now", change.now_ms}}));
    }
    TRY(change.record({before.is_null() ? "spend_alert.created" : "spend_alert.updated", alert.project, alert.id,
                       before, to_json(alert)}));
    return alert;
}

}  // namespace

Task<Result<SubjectPolicy>> PolicyService::find(Administrator by, SubjectKind kind, std::string id) {
    co_return co_await tenancy_.database().read<SubjectPolicy>(
        [by = std::move(by), kind, id = std::move(id)](sql::Session& session) -> Result<SubjectPolicy> {
            TRY_ASSIGN(const auto subject, subject_id(session, by, kind, id));
            TRY_ASSIGN(const auto policy, internal::find_policy(session, kind, subject));
            return policy.value_or(SubjectPolicy{});
        });
}

Task<Result<SubjectPolicy>> PolicyService::update(Administrator by, SubjectKind kind, std::string id, std::string event,
                                                  std::function<void(SubjectPolicy&)> edit) {
    co_return co_await tenancy_.change<SubjectPolicy>(
        std::move(by),
        [kind, id = std::move(id), event = std::move(event),
         edit = std::move(edit)](const Change& change) -> Result<SubjectPolicy> {
            TRY_ASSIGN(const auto subject, subject_id(change.session, change.by, kind, id));
            TRY_ASSIGN(const auto stored, internal::find_policy(change.session, kind, subject));
            auto policy = stored.value_or(SubjectPolicy{});
            const auto before = internal::to_json(policy);
            edit(policy);
            TRY(internal::check_policy(policy));
            TRY(internal::store_policy(change.session, kind, subject, policy));
            TRY(change.record(
                {event, kind == SubjectKind::kProject ? subject : "", subject, before, internal::to_json(policy)}));
            return policy;
        });
}

Task<Result<std::vector<ModelLimit>>> PolicyService::model_limits(Administrator by, std::string project) {
    co_return co_await tenancy_.database().read<std::vector<ModelLimit>>(
        [by = std::move(by), project = std::move(project)](sql::Session& session) -> Result<std::vector<ModelLimit>> {
            TRY(internal::find_project(session, by, project));
            TRY_ASSIGN(const auto rows,
                       session.query("SELECT * FROM model_limits WHERE project_id = :project ORDER BY model",
                                     {{"project", project}}));
            std::vector<ModelLimit> limits;
            for (const auto& row : rows) {
                limits.push_back(
                    {row.text("model"), {row.integer("requests_per_minute"), row.integer("tokens_per_minute"), 0}});
            }
            return limits;
        });
}

Task<Result<ModelLimit>> PolicyService::set_model_limit(Administrator by, std::string project, ModelLimit limit) {
    CO_TRY(internal::check_policy({limit.limits, {}, ModelPatterns{limit.model}, false}));
    co_return co_await tenancy_.change<ModelLimit>(
        std::move(by),
        [project = std::move(project), limit = std::move(limit)](const Change& change) -> Result<ModelLimit> {
            TRY(internal::live_project(change.session, change.by, project));
            const sql::Params key{{"project", project}, {"model", limit.model}};
            TRY_ASSIGN(const auto old,
                       change.session.query_one(
                           "SELECT * FROM model_limits WHERE project_id = :project AND model = :model", key));
            json::value before = nullptr;
            if (old) {
                before = to_json(ModelLimit{
                    limit.model, {old->integer("requests_per_minute"), old->integer("tokens_per_minute"), 0}});
            }
            TRY_ASSIGN(const auto count,
                       change.session.query_one("SELECT COUNT(*) AS n FROM model_limits WHERE project_id = "
                                                ":project",
                                                {{"project", project}}));
            if (!old && count->integer("n") >= kMaxModelLimits) {
                return fail(
                    resource_exhausted(fmt::format("A project has limits for at most {} models.", kMaxModelLimits)));
            }
            TRY(change.session.execute("DELETE FROM model_limits WHERE project_id = :project AND model = :model", key));
            TRY(change.session.execute(
                "INSERT INTO model_limits (project_id, model, requests_per_minute, tokens_per_minute) "
                "VALUES (:project, :model, :rpm, :tpm)",
                {{"project", project},
                 {"model", limit.model},
                 {"rpm", limit.limits.requests_per_minute},
                 {"tpm", limit.limits.tokens_per_minute}}));
            TRY(change.record({"rate_limit.updated", project, limit.model, before, to_json(limit)}));
            return limit;
        });
}

Task<Result<Listed<SpendAlert>>> PolicyService::list_alerts(Administrator by, std::string project, Range range) {
    co_return co_await tenancy_.database().read<Listed<SpendAlert>>(
        [by = std::move(by), project = std::move(project),
         range = std::move(range)](sql::Session& session) -> Result<Listed<SpendAlert>> {
            TRY(reach(session, by, project));
            sql::Params params;
            const auto where = alerts_of(by, project, params);
            return internal::page_of<SpendAlert>(session, "SELECT * FROM spend_alerts", where, std::move(params), range,
                                                 read_alert);
        });
}

Task<Result<SpendAlert>> PolicyService::find_alert(Administrator by, std::string project, std::string id) {
    co_return co_await tenancy_.database().read<SpendAlert>(
        [by = std::move(by), project = std::move(project), id = std::move(id)](sql::Session& session) {
            return alert_row(session, by, project, id);
        });
}

Task<Result<SpendAlert>> PolicyService::put_alert(Administrator by, SpendAlert alert) {
    CO_TRY(check_alert(alert));
    co_return co_await tenancy_.change<SpendAlert>(
        std::move(by), [alert = std::move(alert)](const Change& change) { return store_alert(change, alert); });
}

Task<Result<>> PolicyService::remove_alert(Administrator by, std::string project, std::string id) {
    co_return co_await tenancy_.change<void>(
        std::move(by), [project = std::move(project), id = std::move(id)](const Change& change) -> Result<> {
            TRY_ASSIGN(const auto alert, alert_row(change.session, change.by, project, id));
            TRY(change.session.execute("DELETE FROM spend_alerts WHERE id = :id", {{"id", id}}));
            return change.record({"spend_alert.deleted", project, id, to_json(alert), nullptr});
        });
}

}  // namespace atrium::app
