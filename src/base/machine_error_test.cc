#include "base/machine_error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace atrium {
namespace {

TEST(MachineError, ClientsSeeNeitherPathNorBlame) {
    struct Row {
        int error_number;
        MachineTrouble trouble;
        Code shown;
        bool needs_operator;
    };
    for (const Row& row : {Row{ENOSPC, MachineTrouble::kStorageFull, Code::kUnavailable, true},
                           Row{EDQUOT, MachineTrouble::kStorageFull, Code::kUnavailable, true},
                           Row{EROFS, MachineTrouble::kStorageReadOnly, Code::kUnavailable, true},
                           Row{EACCES, MachineTrouble::kStorageReadOnly, Code::kUnavailable, true},
                           Row{EMFILE, MachineTrouble::kMachineExhausted, Code::kUnavailable, false},
                           Row{EIO, MachineTrouble::kMachineFailure, Code::kInternal, false},
                           Row{ENOENT, MachineTrouble::kMachineFailure, Code::kInternal, false}}) {
        const Error error = from_errno(row.error_number, "write '/srv/atrium/files/tmp/x'");
        EXPECT_EQ(machine_trouble(error), row.trouble) << error.to_string();
        EXPECT_EQ(needs_operator(error), row.needs_operator) << error.to_string();
        const Error shown = shown_to_client(error);
        EXPECT_EQ(shown.code(), row.shown) << error.to_string();
        EXPECT_EQ(shown.message().find('/'), std::string::npos) << shown.message();
        EXPECT_NE(shown.to_string().find("/srv/atrium"), std::string::npos) << "the log names the path";
    }
}

TEST(MachineError, PeersAndRequestsAreNot) {
    EXPECT_FALSE(machine_trouble(from_errno(ECONNREFUSED, "connect")));
    const Error limit = resource_exhausted("too many requests").with_reason("rate_limit_exceeded");
    EXPECT_FALSE(has_machine_cause(limit));
    EXPECT_EQ(shown_to_client(limit).message(), limit.message());
}

TEST(MachineError, IsFoundBelowAnotherError) {
    const Error wrapped = aborted("the upload did not succeed").with_cause(from_errno(EIO, "read '/x'"));
    EXPECT_FALSE(machine_trouble(wrapped));
    EXPECT_TRUE(has_machine_cause(wrapped));
}

}  // namespace
}  // namespace atrium
