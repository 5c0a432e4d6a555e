#include "app/responses/response_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::app {
namespace {

constexpr std::string_view kUnfinished = "status IN ('queued', 'in_progress')";

Error no_response(std::string_view id) {
    return not_found(fmt::format("There is no response '{}'.", text::shorten(text::to_valid_utf8(id), 80)));
}

Result<json::object> body_of(sql::Session& session, const std::string& project, const std::string& id) {
    TRY_ASSIGN(const auto row, session.query_one("SELECT body FROM responses WHERE id = :id AND project_id = :project",
                                                 {{"id", id}, {"project", project}}));
    if (!row) return fail(no_response(id));
    return json::parse_object(row->text("body"));
}

Result<> insert_items(sql::Session& session, const std::string& project, const std::string& response,
                      const json::array& items, std::int64_t from, bool output) {
    for (const auto& item : items) {
        TRY(
            session.execute("INSERT INTO response_items (response_id, position, project_id, id, is_output, item) "
                            "VALUES (:response, :position, :project, :id, :output, :item)",
                            {{"response", response},
                             {"position", from++},
                             {"project", project},
                             {"id", std::string(json::string_or(item.get_object(), "id"))},
                             {"output", output},
                             {"item", json::serialize(item)}}));
    }
    return {};
}

Result<bool> close_row(sql::Session& session, const std::string& project, const json::object& response,
                       const std::string& events) {
    const std::string id(json::string_or(response, "id"));
    TRY_ASSIGN(const auto changed,
               session.execute(fmt::format("UPDATE responses SET status = :status, body = :body, events = :events "
                                           "WHERE id = :id AND project_id = :project AND {}",
                                           kUnfinished),
                               {{"status", std::string(json::string_or(response, "status"))},
                                {"body", json::serialize(response)},
                                {"events", events},
                                {"id", id},
                                {"project", project}}));
    if (changed == 0) return false;
    TRY(insert_items(session, project, id, response.at("output").as_array(), 1'000'000, true));
    return true;
}

}  // namespace

Task<Result<>> ResponseStore::insert(std::string project, json::object response, json::array input,
                                     std::int64_t lease_until) {
    const auto now = unix_millis(clock_.system());
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        const std::string id(json::string_or(response, "id"));
        const std::string previous(json::string_or(response, "previous_response_id"));
        TRY(
            session.execute("INSERT INTO responses (id, project_id, status, created_at, lease_until, previous_id, "
                            "body, events) VALUES (:id, :project, :status, :now, :lease, :previous, :body, '')",
                            {{"id", id},
                             {"project", project},
                             {"status", std::string(json::string_or(response, "status"))},
                             {"now", now},
                             {"lease", lease_until},
                             {"previous", previous},
                             {"body", json::serialize(response)}}));
        return insert_items(session, project, id, input, 0, false);
    });
}

Task<Result<bool>> ResponseStore::finish(std::string project, json::object response, std::string events) {
    co_return co_await database_.write<bool>(
        [=](sql::Session& session) { return close_row(session, project, response, events); });
}

Task<Result<bool>> ResponseStore::renew_lease(std::string project, std::string id, std::int64_t lease_until) {
    co_return co_await database_.write<bool>([=](sql::Session& session) -> Result<bool> {
        TRY_ASSIGN(
            const auto changed,
            session.execute(
                fmt::format("UPDATE responses SET lease_until = :lease WHERE id = :id AND project_id = :project AND {}",
                            kUnfinished),
                {{"lease", lease_until}, {"id", id}, {"project", project}}));
        return changed > 0;
    });
}

Task<Result<json::object>> ResponseStore::get(std::string project, std::string id) {
    co_return co_await database_.read<json::object>(
        [=](sql::Session& session) { return body_of(session, project, id); });
}

Task<Result<std::string>> ResponseStore::events(std::string project, std::string id) {
    co_return co_await database_.read<std::string>([=](sql::Session& session) -> Result<std::string> {
        TRY_ASSIGN(const auto row,
                   session.query_one("SELECT events FROM responses WHERE id = :id AND project_id = :project",
                                     {{"id", id}, {"project", project}}));
        if (!row) return fail(no_response(id));
        return row->text("events");
    });
}

Task<Result<>> ResponseStore::remove(std::string project, std::string id) {
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY(body_of(session, project, id));
        TRY(session.execute("DELETE FROM response_items WHERE response_id = :id AND project_id = :project",
                            {{"id", id}, {"project", project}}));
        TRY(session.execute("DELETE FROM responses WHERE id = :id AND project_id = :project",
                            {{"id", id}, {"project", project}}));
        return {};
    });
}

Task<Result<json::object>> ResponseStore::cancel(std::string project, std::string id) {
    co_return co_await database_.write<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY_ASSIGN(auto body, body_of(session, project, id));
        const auto status = json::string_or(body, "status");
        if (status != "queued" && status != "in_progress") return body;
        body["status"] = "cancelled";
        TRY(close_row(session, project, body, ""));
        return body;
    });
}

Task<Result<json::object>> ResponseStore::input_items(std::string project, std::string id, ItemPaging paging) {
    co_return co_await database_.read<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY(body_of(session, project, id));
        std::int64_t from = paging.ascending ? -1 : INT64_MAX;
        if (!paging.after.empty()) {
            TRY_ASSIGN(const auto row,
                       session.query_one("SELECT position FROM response_items WHERE response_id = :response AND id = "
                                         ":id AND project_id = :project AND is_output = 0",
                                         {{"response", id}, {"id", paging.after}, {"project", project}}));
            if (!row) return fail(invalid_argument("'after' is no input item of this response").with_field("after"));
            from = row->integer("position");
        }
        const auto sql = fmt::format(
            "SELECT item FROM response_items WHERE response_id = :id AND project_id = :project AND is_output = 0 AND "
            "position {} :from_position ORDER BY position {} LIMIT :limit",
            paging.ascending ? ">" : "<", paging.ascending ? "ASC" : "DESC");
        TRY_ASSIGN(const auto rows,
                   session.query(
                       sql, {{"id", id}, {"project", project}, {"from_position", from}, {"limit", paging.limit + 1}}));
        json::array items;
        for (const auto& row : rows) {
            if (std::ssize(items) < paging.limit)
                items.emplace_back(json::parse_object(row.text("item")).value_or(json::object{}));
        }
        return item_list(std::move(items), std::ssize(rows) > paging.limit);
    });
}

Task<Result<json::array>> ResponseStore::context(std::string project, std::string id) {
    co_return co_await database_.read<json::array>([=](sql::Session& session) -> Result<json::array> {
        std::vector<json::value> backwards;
        std::size_t bytes = 0;
        std::string at = id;
        for (std::size_t depth = 0; !at.empty(); ++depth) {
            if (depth == kMaxChain)
                return fail(
                    out_of_range(fmt::format("The conversation behind '{}' has more than {} responses.", id, kMaxChain))
                        .with_field("previous_response_id"));
            TRY_ASSIGN(
                const auto row,
                session.query_one("SELECT previous_id, status FROM responses WHERE id = :id AND project_id = :project",
                                  {{"id", at}, {"project", project}}));
            if (!row) {
                return fail(
                    not_found(
                        fmt::format("There is no response '{}'; it may have been deleted or is older than {} days.",
                                    text::shorten(text::to_valid_utf8(at), 80), kRetention.count() / 24))
                        .with_field("previous_response_id")
                        .with_reason("previous_response_not_found"));
            }
            const auto status = row->text("status");
            if (status == "queued" || status == "in_progress")
                return fail(failed_precondition(fmt::format("The response '{}' is not finished yet.", at))
                                .with_field("previous_response_id"));
            TRY_ASSIGN(const auto items, session.query("SELECT item FROM response_items WHERE response_id = :id AND "
                                                       "project_id = :project ORDER BY position DESC",
                                                       {{"id", at}, {"project", project}}));
            for (const auto& item : items) {
                const auto text = item.text("item");
                bytes += text.size();
                if (bytes > kMaxContextBytes)
                    return fail(out_of_range(fmt::format("The conversation behind '{}' has more than {} bytes.", id,
                                                         kMaxContextBytes))
                                    .with_field("previous_response_id"));
                backwards.emplace_back(json::parse_object(text).value_or(json::object{}));
            }
            at = row->text("previous_id");
        }
        json::array all;
        for (auto item = backwards.rbegin(); item != backwards.rend(); ++item) all.push_back(std::move(*item));
        return all;
    });
}

Task<Result<json::object>> ResponseStore::item(std::string project, std::string id) {
    co_return co_await database_.read<json::object>([=](sql::Session& session) -> Result<json::object> {
        for (const auto* sql :
             {"SELECT item FROM response_items WHERE project_id = :project AND id = :id LIMIT 1",
              "SELECT item FROM conversation_items WHERE project_id = :project AND id = :id LIMIT 1"}) {
            TRY_ASSIGN(const auto row, session.query_one(sql, {{"project", project}, {"id", id}}));
            if (row) return json::parse_object(row->text("item"));
        }
        return fail(not_found(fmt::format("There is no stored item '{}'.", text::shorten(text::to_valid_utf8(id), 80)))
                        .with_field("input"));
    });
}

Task<Result<>> ResponseStore::sweep(std::int64_t lost_before) {
    const auto now = unix_millis(clock_.system());
    const auto oldest = now - std::chrono::duration_cast<std::chrono::milliseconds>(kRetention).count();
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY_ASSIGN(const auto lost, session.query(fmt::format("SELECT project_id, body FROM responses WHERE {} AND "
                                                              "(lease_until < :now OR created_at < :lost) LIMIT 1000",
                                                              kUnfinished),
                                                  {{"now", now}, {"lost", lost_before}}));
        for (const auto& row : lost) {
            TRY_ASSIGN(auto body, json::parse_object(row.text("body")));
            body["status"] = "failed";
            body["error"] = {{"code", "server_error"},
                             {"message", "The server was stopped while it made this response; please ask again."}};
            TRY(close_row(session, row.text("project_id"), body, ""));
        }
        TRY(session.execute(
            "DELETE FROM response_items WHERE response_id IN (SELECT id FROM responses WHERE created_at < :oldest)",
            {{"oldest", oldest}}));
        TRY(session.execute("DELETE FROM responses WHERE created_at < :oldest", {{"oldest", oldest}}));
        return {};
    });
}

}  // namespace atrium::app
