#include <fmt/format.h>

#include "app/governance/audit_log.h"
#include "gateway/admin/admin_routes.h"
#include "gateway/admin/admin_wire.h"

namespace atrium::gateway {
namespace {

using namespace admin;

constexpr std::int64_t kEndOfTime = 253'402'300'800;  // year 10000
constexpr int kExportPage = 1000;

const json::object& object_at(const json::object& parent, std::string_view key) {
    static const json::object kEmpty;
    const auto* value = parent.if_contains(key);
    return value != nullptr && value->is_object() ? value->get_object() : kEmpty;
}

json::object actor_to_wire(const json::object& content) {
    const auto& actor = object_at(content, "actor");
    const std::string user(json::string_or(actor, "user_id"));
    const std::string account(json::string_or(actor, "service_account_id"));
    json::object key{{"id", json::string_or(actor, "key_id")}};
    if (!user.empty()) {
        key["type"] = "user";
        key["user"] = json::object{{"id", user}, {"email", json::string_or(actor, "user_email")}};
    } else if (!account.empty()) {
        key["type"] = "service_account";
        key["service_account"] = json::object{{"id", account}};
    }
    return {{"type", "api_key"}, {"api_key", std::move(key)}};
}

/// The detail under the event's own name, as OpenAI has it: what was created, or what was to change.
json::object detail_of(const json::object& content) {
    json::object detail{{"id", json::string_or(content, "object")}};
    const std::string type(json::string_or(content, "type"));
    const auto* after = content.if_contains("after");
    if (after == nullptr || !after->is_object()) return detail;
    detail[type.ends_with(".created") || type.ends_with(".added") ? "data" : "changes_requested"] = *after;
    return detail;
}

/// OpenAI's audit log object; what that has no place for is under "atrium".
json::object to_wire(const app::AuditRecord& record) {
    const std::string type(json::string_or(record.content, "type"));
    json::object wire{{"object", "organization.audit_log"},
                      {"id", record.id},
                      {"type", type},
                      {"effective_at", record.at / 1000},
                      {"actor", actor_to_wire(record.content)},
                      {type, detail_of(record.content)},
                      {"atrium",
                       {{"number", record.link.number},
                        {"actor", object_at(record.content, "actor")},
                        {"before", record.content.at("before")},
                        {"after", record.content.at("after")},
                        {"request_id", record.content.at("request_id")},
                        {"ip", record.content.at("ip")},
                        {"hash", record.link.hash}}}};
    if (const auto project = json::string_or(record.content, "project"); !project.empty()) {
        wire["project"] = json::object{{"id", project}};
    }
    return wire;
}

/// effective_at[gt|gte|lt|lte] as a half-open interval of seconds.
Result<> read_period(const Call& call, app::AuditQuery& query) {
    const auto read = [&](std::string_view op, std::int64_t shift, std::optional<std::int64_t>& into) -> Result<> {
        const auto name = fmt::format("effective_at[{}]", op);
        if (!call.query(name)) return {};
        TRY_ASSIGN(const auto at, call.query_int(name, 0, 0, kEndOfTime));
        into = at + shift;
        return {};
    };
    TRY(read("gte", 0, query.from));
    TRY(read("gt", 1, query.from));
    TRY(read("lt", 0, query.to));
    return read("lte", 1, query.to);
}

Task<Result<>> list_audit_logs(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto range, range_of(call));
    app::AuditQuery query;
    query.organisation = call.principal().organisation;
    query.after = range.after;
    query.before = range.before;
    query.limit = range.limit;
    CO_TRY_ASSIGN(query.projects, query_list(call, "project_ids"));
    CO_TRY_ASSIGN(query.types, query_list(call, "event_types"));
    CO_TRY_ASSIGN(query.actors, query_list(call, "actor_ids"));
    CO_TRY_ASSIGN(query.actor_emails, query_list(call, "actor_emails"));
    CO_TRY_ASSIGN(query.objects, query_list(call, "resource_ids"));
    CO_TRY(read_period(call, query));
    CO_TRY_ASSIGN(auto page, co_await tenancy.audit().list(std::move(query)));
    const app::Listed<app::AuditRecord> listed{std::move(page.items), page.has_more};
    co_return co_await call.respond_json(list_to_wire(listed, to_wire));
}

Task<Result<>> verify(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto report, co_await tenancy.audit().verify());
    co_return co_await call.respond_json(json::object{{"object", "audit_report"},
                                                      {"whole", report.problem.empty()},
                                                      {"records", report.records},
                                                      {"head", report.head},
                                                      {"problem", or_null(report.problem)}});
}

/// Pages of the chain itself, so that it can be checked elsewhere: record is the text that the hash covers.
Task<Result<>> export_chain(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto from, call.query_int("from", 1, 1, std::int64_t{1} << 53));
    CO_TRY_ASSIGN(const auto limit, call.query_int("limit", kExportPage, 1, kExportPage));
    CO_TRY_ASSIGN(const auto records, co_await tenancy.audit().read(from, static_cast<int>(limit)));
    json::array data;
    for (const auto& record : records) {
        data.push_back(json::object{{"number", record.link.number},
                                    {"record", record.link.record},
                                    {"previous_hash", record.link.previous_hash},
                                    {"hash", record.link.hash}});
    }
    const bool more = data.size() == static_cast<std::size_t>(limit);
    co_return co_await call.respond_json(
        json::object{{"object", "list"}, {"data", std::move(data)}, {"has_more", more}});
}

}  // namespace

void add_audit_routes(RouteTable& table, app::Tenancy& tenancy) {
    using enum http::Method;
    Routes openai(table, tenancy, Dialect::kOpenAi);
    openai.add(kGet, "/v1/organization/audit_logs", Access::kOrganisation, "Who changed what, latest first",
               list_audit_logs);
    Routes own(table, tenancy, Dialect::kAtrium);
    own.add(kGet, "/atrium/v1/audit/verify", Access::kAdmin, "Whether the audit log is whole", verify);
    own.add(kGet, "/atrium/v1/audit/export", Access::kAdmin, "The audit log with its hashes, from a number on",
            export_chain);
}

}  // namespace atrium::gateway
