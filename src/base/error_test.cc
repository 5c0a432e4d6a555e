#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "base/result.h"

namespace atrium {
namespace {

TEST(Error, EveryCodeHasItsNameAndStatus) {
    std::set<std::string_view> names;
    for (int i = 0; i < 16; ++i) {
        const auto code = static_cast<Code>(i);
        names.insert(code_name(code));
        EXPECT_GE(http_status(code), 400);
    }
    EXPECT_EQ(names.size(), 16u);
    EXPECT_EQ(code_name(Code::kUnauthenticated), "unauthenticated");
    EXPECT_EQ(http_status(Code::kResourceExhausted), 429);
    EXPECT_EQ(http_status(Code::kOutOfRange), 413);
}

TEST(Error, StatusOfAnUpstreamComesBackAsTheSameStatus) {
    for (const int status : {401, 403, 404, 409, 413, 429, 499, 501, 503, 504}) {
        EXPECT_EQ(http_status(code_from_http(status)), status);
    }
    EXPECT_EQ(code_from_http(422), Code::kInvalidArgument);
    EXPECT_EQ(code_from_http(500), Code::kUnknown);
}

TEST(Error, CauseIsInTheLogTextAndNotInTheMessage) {
    const Error error = unavailable("the model is starting").with_cause(internal_error("exit 139"));
    EXPECT_EQ(error.message(), "the model is starting");
    EXPECT_EQ(error.to_string(), "unavailable: the model is starting (caused by internal: exit 139)");
}

TEST(Error, SaysWhenAnotherTryMaySucceed) {
    EXPECT_EQ(unavailable("starting").retry_after().count(), 0);
    const Error error = resource_exhausted("slow down").with_retry_after(std::chrono::milliseconds(1500)).with_reason("x");
    EXPECT_EQ(error.retry_after().count(), 1500);
}

TEST(Error, ErrnoNamesTheObject) {
    const Error error = from_errno(ENOSPC, "write '/x'");
    EXPECT_EQ(error.code(), Code::kResourceExhausted);
    EXPECT_EQ(error.message(), "write '/x': No space left on device; free some disk space");
    EXPECT_EQ(error.reason(), "disk_full");
}

Result<int> half(int n) {
    if (n % 2 != 0) return fail(invalid_argument("odd"));
    return n / 2;
}

Result<int> quarter(int n) {
    TRY_ASSIGN(const int once, half(n));
    TRY(half(once));
    return half(once);
}

TEST(Result, TryPassesTheErrorOn) {
    EXPECT_EQ(quarter(8), 2);
    ASSERT_FALSE(quarter(6).has_value());
    EXPECT_EQ(quarter(6).error().message(), "odd");
}

TEST(Error, MayBeAmendedInPlace) {
    Error error = unavailable("the upstream is busy");
    error = std::move(error).with_reason("busy").with_field("model");
    EXPECT_EQ(error.message(), "the upstream is busy");
    EXPECT_EQ(error.reason(), "busy");
}

}  // namespace
}  // namespace atrium
