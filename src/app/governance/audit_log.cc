#include "app/governance/audit_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/id.h"
#include "base/text.h"

namespace atrium::app {
namespace {

constexpr int kBatch = 500;

// One row of audit_head is the lock that keeps numbers free of gaps, and it knows how many records there must be.
constexpr std::array<sql::Migration, 1> kMigrations{{
    {250, "audit_log",
     "CREATE TABLE audit_log (\n"
     "  number BIGINT NOT NULL PRIMARY KEY,\n"
     "  id VARCHAR(64) NOT NULL UNIQUE,\n"
     "  organization_id VARCHAR(64) NOT NULL,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  type VARCHAR(100) NOT NULL,\n"
     "  object_id VARCHAR(400) NOT NULL,\n"
     "  actor_id VARCHAR(64) NOT NULL,\n"
     "  actor_email VARCHAR(400) NOT NULL,\n"
     "  at BIGINT NOT NULL,\n"
     "  record TEXT NOT NULL,\n"
     "  previous_hash VARCHAR(64) NOT NULL,\n"
     "  hash VARCHAR(64) NOT NULL\n"
     ");\n"
     "CREATE INDEX audit_log_by_organization ON audit_log (organization_id, number);\n"
     "CREATE TABLE audit_head (\n"
     "  id BIGINT NOT NULL PRIMARY KEY,\n"
     "  number BIGINT NOT NULL,\n"
     "  hash VARCHAR(64) NOT NULL\n"
     ");\n"
     "INSERT INTO audit_head (id, number, hash) VALUES (1, 0, "
     "'0000000000000000000000000000000000000000000000000000000000000000')"},
}};

bool is_secret_name(std::string_view name) {
    static constexpr std::array<std::string_view, 7> kNames{"secret", "password",      "value",  "api_key",
                                                            "token",  "authorization", "api-key"};
    return std::ranges::any_of(kNames, [&](auto secret) { return text::equals_ignore_case(name, secret); });
}

json::value without_secrets(json::value value) {
    if (auto* object = value.if_object()) {
        for (auto& [name, member] : *object) {
            member =
                is_secret_name(name) && member.is_string() ? json::value("***") : without_secrets(std::move(member));
        }
    } else if (auto* array = value.if_array()) {
        for (auto& item : *array) item = without_secrets(std::move(item));
    }
    return value;
}

json::object content_of(const AuditActor& actor, const AuditEvent& event, const std::string& organisation,
                        const std::string& id, std::int64_t now) {
    return {{"id", id},
            {"type", event.type},
            {"at", now},
            {"organization", organisation},
            {"project", event.project},
            {"object", event.object_id},
            {"actor",
             {{"method", actor.key_id.empty() ? "system" : "api_key"},
              {"key_id", actor.key_id},
              {"key_name", actor.key_name},
              {"user_id", actor.user_id},
              {"user_email", actor.user_email},
              {"service_account_id", actor.service_account_id}}},
            {"request_id", actor.request_id},
            {"ip", actor.ip},
            {"before", without_secrets(event.before)},
            {"after", without_secrets(event.after)}};
}

std::string actor_id(const AuditActor& actor) {
    if (!actor.user_id.empty()) return actor.user_id;
    return actor.service_account_id.empty() ? actor.key_id : actor.service_account_id;
}

/// The columns that queries use repeat what the record says; both must agree.
Result<AuditRecord> read_record(const sql::Row& row) {
    AuditRecord record;
    record.link = {row.integer("number"), row.text("record"), row.text("previous_hash"), row.text("hash")};
    record.id = row.text("id");
    record.at = row.integer("at");
    const auto changed = [&] {
        return fail(data_loss(fmt::format("audit record {} was changed after it was written", record.link.number)));
    };
    auto content = json::parse_object(record.link.record);
    if (!content) return changed();
    const auto* at = content->if_contains("at");
    if (json::string_or(*content, "id") != record.id || json::string_or(*content, "type") != row.text("type") ||
        json::string_or(*content, "organization") != row.text("organization_id") ||
        json::string_or(*content, "project") != row.text("project_id") ||
        json::string_or(*content, "object") != row.text("object_id") || at == nullptr || *at != record.at) {
        return changed();
    }
    record.content = std::move(*content);
    return record;
}

/// Conditions of a query and their parameters; values never reach the SQL text.
class Conditions {
public:
    explicit Conditions(const std::string& organisation) {
        add("organization_id = :organization", "organization", organisation);
    }

    void add(std::string condition, std::string name, sql::Param value) {
        text_ += (text_.empty() ? " WHERE " : " AND ") + condition;
        value.name = std::move(name);
        params_.push_back(std::move(value));
    }
    void add(std::string condition, const std::string& name, const std::string& value) {
        add(std::move(condition), name, sql::Param("", value));
    }
    void any_of(const std::string& column, const std::vector<std::string>& values) {
        if (values.empty()) return;
        std::string list;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto name = fmt::format("{}_{}", column, i);
            list += (i == 0 ? ":" : ", :") + name;
            params_.emplace_back(name, values[i]);
        }
        text_ += fmt::format(" AND {} IN ({})", column, list);
    }
    const std::string& text() const { return text_; }
    const sql::Params& params() const { return params_; }

private:
    std::string text_;
    sql::Params params_;
};

Result<std::int64_t> position(sql::Session& session, const AuditQuery& query, const std::string& id,
                              std::string_view field) {
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT number FROM audit_log WHERE id = :id AND organization_id = :org",
                                 {{"id", id}, {"org", query.organisation}}));
    if (row) return row->integer("number");
    return fail(invalid_argument(fmt::format("{} is not an item of this list", field)).with_field(std::string(field)));
}

Result<AuditPage> select_page(sql::Session& session, const AuditQuery& query) {
    Conditions where(query.organisation);
    where.any_of("project_id", query.projects);
    where.any_of("type", query.types);
    where.any_of("actor_id", query.actors);
    where.any_of("actor_email", query.actor_emails);
    where.any_of("object_id", query.objects);
    if (query.from) where.add("at >= :from_ms", "from_ms", sql::Param("", *query.from * 1000));
    if (query.to) where.add("at < :to_ms", "to_ms", sql::Param("", *query.to * 1000));
    const bool backwards = query.after.empty() && !query.before.empty();
    if (!query.after.empty()) {
        TRY_ASSIGN(const auto number, position(session, query, query.after, "after"));
        where.add("number < :position", "position", sql::Param("", number));
    } else if (backwards) {
        TRY_ASSIGN(const auto number, position(session, query, query.before, "before"));
        where.add("number > :position", "position", sql::Param("", number));
    }
    auto params = where.params();
    params.emplace_back("page_rows", query.limit + 1);
    TRY_ASSIGN(const auto rows, session.query("SELECT * FROM audit_log" + where.text() + " ORDER BY number " +
                                                  (backwards ? "ASC" : "DESC") + " LIMIT :page_rows",
                                              params));
    AuditPage page;
    page.has_more = rows.size() > static_cast<std::size_t>(query.limit);
    for (const auto& row : rows) {
        if (page.items.size() == static_cast<std::size_t>(query.limit)) break;
        TRY_ASSIGN(auto record, read_record(row));
        page.items.push_back(std::move(record));
    }
    if (backwards) std::ranges::reverse(page.items);
    return page;
}

Result<std::vector<sql::Row>> rows_from(sql::Session& session, std::int64_t number, int limit) {
    return session.query("SELECT * FROM audit_log WHERE number >= :number ORDER BY number LIMIT :page_rows",
                         {{"number", number}, {"page_rows", limit}});
}

/// In one read transaction, so that nothing is appended between the rows and the head.
Result<AuditReport> walk(sql::Session& session) {
    audit::ChainVerifier verifier;
    const auto broken = [&](const Error& error) {
        return AuditReport{verifier.count(), verifier.head(), error.message()};
    };
    while (true) {
        TRY_ASSIGN(const auto rows, rows_from(session, verifier.count() + 1, kBatch));
        for (const auto& row : rows) {
            const auto record = read_record(row);
            if (!record) return broken(record.error());
            const auto held = verifier.add(record->link);
            if (!held) return broken(held.error());
        }
        if (rows.size() < kBatch) break;
    }
    TRY_ASSIGN(const auto head, session.query_one("SELECT number, hash FROM audit_head WHERE id = 1"));
    const auto ended = head ? verifier.finish(head->integer("number"), head->text("hash"))
                            : fail(data_loss("the head of the audit log is missing"));
    if (!ended) return broken(ended.error());
    return AuditReport{verifier.count(), verifier.head(), {}};
}

}  // namespace

std::span<const sql::Migration> audit_migrations() {
    return kMigrations;
}

Result<> AuditLog::append(sql::Session& session, const AuditActor& actor, const AuditEvent& event) const {
    const std::string organisation = actor.organisation.empty() ? "org_default" : actor.organisation;
    const auto now = unix_millis(clock_.system());
    const auto id = new_id("audit_log_");
    const auto record = audit::canonical_json(content_of(actor, event, organisation, id, now));
    // The update comes first: it takes the row's lock, so that the number is ours.
    TRY(session.execute("UPDATE audit_head SET number = number + 1 WHERE id = 1"));
    TRY_ASSIGN(const auto head, session.query_one("SELECT number, hash FROM audit_head WHERE id = 1"));
    if (!head) return fail(data_loss("the head of the audit log is missing"));
    const auto number = head->integer("number");
    const auto previous = head->text("hash");
    const auto hash = audit::chain_hash(previous, number, record);
    TRY(
        session.execute("INSERT INTO audit_log (number, id, organization_id, project_id, type, object_id, actor_id, "
                        "actor_email, at, record, previous_hash, hash) VALUES (:number, :id, :organization, :project, "
                        ":type, :object, :actor, :email, :at, :record, :previous, :hash)",
                        {{"number", number},
                         {"id", id},
                         {"organization", organisation},
                         {"project", event.project},
                         {"type", event.type},
                         {"object", event.object_id},
                         {"actor", actor_id(actor)},
                         {"email", actor.user_email},
                         {"at", now},
                         {"record", record},
                         {"previous", previous},
                         {"hash", hash}}));
    TRY(session.execute("UPDATE audit_head SET hash = :hash WHERE id = 1", {{"hash", hash}}));
    return {};
}

Task<Result<AuditPage>> AuditLog::list(AuditQuery query) const {
    co_return co_await database_.read<AuditPage>(
        [query = std::move(query)](sql::Session& session) { return select_page(session, query); });
}

Task<Result<std::vector<AuditRecord>>> AuditLog::read(std::int64_t number, int limit) const {
    co_return co_await database_.read<std::vector<AuditRecord>>(
        [number, limit](sql::Session& session) -> Result<std::vector<AuditRecord>> {
            TRY_ASSIGN(const auto rows, rows_from(session, number, limit));
            std::vector<AuditRecord> records;
            for (const auto& row : rows) {
                TRY_ASSIGN(auto record, read_record(row));
                records.push_back(std::move(record));
            }
            return records;
        });
}

Task<Result<AuditReport>> AuditLog::verify() const {
    co_return co_await database_.read<AuditReport>(walk);
}

}  // namespace atrium::app
