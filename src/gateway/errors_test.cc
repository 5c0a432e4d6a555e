#include "gateway/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace atrium::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string wire(const Error& error) {
    return json::serialize(error_body(error, "req_1"));
}

TEST(Errors, AlwaysHaveAllFourKeys) {
    EXPECT_EQ(wire(invalid_argument("bad")),
              R"({"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}})");
    EXPECT_EQ(wire(invalid_argument("bad").with_field("n")),
              R"({"error":{"message":"bad","type":"invalid_request_error","param":"n","code":null}})");
}

TEST(Errors, TheTable) {
    struct Row {
        Error error;
        int status;
        std::string type;
        std::string code;
    };
    const std::vector<Row> rows{
        {unauthenticated("x").with_reason("invalid_api_key"), 401, "invalid_request_error", "invalid_api_key"},
        {permission_denied("x"), 403, "permission_error", "permission_denied"},
        {not_found("x").with_reason("model_not_found"), 404, "invalid_request_error", "model_not_found"},
        {invalid_argument("x").with_reason("context_length_exceeded"), 400, "invalid_request_error",
         "context_length_exceeded"},
        {unimplemented("x").with_reason("method_not_allowed"), 405, "invalid_request_error", "method_not_allowed"},
        {invalid_argument("x").with_reason("unsupported_media_type"), 415, "invalid_request_error",
         "unsupported_media_type"},
        {failed_precondition("x"), 409, "invalid_request_error", "failed_precondition"},
        {out_of_range("x"), 413, "invalid_request_error", "request_too_large"},
        {resource_exhausted("x"), 429, "requests", "rate_limit_exceeded"},
        {resource_exhausted("x").with_reason("concurrency_limit_exceeded"), 429, "concurrency", "rate_limit_exceeded"},
        {resource_exhausted("x").with_reason("insufficient_quota"), 429, "insufficient_quota", "insufficient_quota"},
        {resource_exhausted("x").with_reason("disk_full"), 507, "server_error", "insufficient_storage"},
        {internal_error("x"), 500, "server_error", "internal_error"},
        {unavailable("x"), 503, "server_error", "service_unavailable"},
        {deadline_exceeded("x"), 504, "timeout_error", "timeout"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(error_status(row.error), row.status) << row.error.to_string();
        const auto body = error_body(row.error, "req_1");
        EXPECT_EQ(body.at("error").at("type").as_string(), row.type) << row.error.to_string();
        EXPECT_EQ(body.at("error").at("code").as_string(), row.code) << row.error.to_string();
    }
}

TEST(Errors, DefectsShowTheRequestIdInsteadOfDetails) {
    const auto text = wire(internal_error("null pointer in tenant 7").with_cause(internal_error("secret")));
    EXPECT_THAT(text, HasSubstr("req_1"));
    EXPECT_THAT(text, Not(HasSubstr("tenant 7")));
    EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST(Errors, CausesAreNeverShown) {
    EXPECT_THAT(wire(unavailable("please retry").with_cause(unknown_error("secret"))), Not(HasSubstr("secret")));
}

TEST(Errors, TroubleOfTheMachineIsNotTheClients) {
    struct Row {
        int error_number;
        int status;
        std::string reason;
    };
    for (const auto& row :
         {Row{ENOSPC, 507, "insufficient_storage"}, Row{EROFS, 503, "storage_read_only"}, Row{EACCES, 503, "storage_read_only"},
          Row{EMFILE, 503, "machine_exhausted"}, Row{ENOENT, 500, "machine_failure"}}) {
        const Error error = from_errno(row.error_number, "write '/srv/atrium/files/tmp/1'");
        EXPECT_EQ(error_status(error), row.status) << error.to_string();
        EXPECT_THAT(wire(error), Not(HasSubstr("/srv"))) << error.to_string();
        EXPECT_THAT(wire(error), HasSubstr(row.reason)) << error.to_string();
        EXPECT_THAT(wire(error), HasSubstr("server_error")) << error.to_string();
    }
    // The SDKs would retry a 507 or a 503.
    const auto full = error_response(from_errno(ENOSPC, "write"), "r");
    EXPECT_EQ(full.headers.get("x-should-retry"), "false");
    EXPECT_FALSE(full.headers.get("retry-after"));
    EXPECT_EQ(error_response(from_errno(EMFILE, "open"), "r").headers.get("retry-after"), "2");
}

TEST(Errors, IllFormedBytesDoNotBreakTheJson) {
    EXPECT_TRUE(json::parse(wire(invalid_argument("bad \xff byte").with_field("\xc3"))));
}

TEST(Errors, AdviseOnRetry) {
    EXPECT_EQ(error_response(unavailable("x"), "r").headers.get("retry-after"), "2");
    EXPECT_FALSE(error_response(invalid_argument("x"), "r").headers.get("retry-after"));
}

}  // namespace
}  // namespace atrium::gateway
