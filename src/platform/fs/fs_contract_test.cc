#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "platform/fs/fault_fs.h"
#include "platform/fs/fs.h"

namespace atrium {
namespace {

class TempDir {
public:
    TempDir() {
        std::string pattern = (std::filesystem::temp_directory_path() / "atrium-fs-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TempDir() { std::filesystem::remove_all(path_); }
    const Path& path() const { return path_; }

private:
    Path path_;
};

/// What every Fs must do, run against the machine's and against a FaultFs that has nothing to fail.
class FsContract : public testing::TestWithParam<bool> {
protected:
    Fs& fs() { return GetParam() ? static_cast<Fs&>(fault_) : machine_fs(); }
    Path file(std::string_view name) const { return dir_.path() / name; }

    Result<> write(const Path& path, std::string_view bytes) {
        TRY_ASSIGN(auto out, fs().create(path));
        TRY(out->append(bytes));
        TRY(out->sync());
        return out->close();
    }

    TempDir dir_;
    FaultFs fault_{machine_fs()};
};

TEST_P(FsContract, ReadsWhatWasWritten) {
    ASSERT_TRUE(write(file("a"), "hello 中庭"));
    EXPECT_EQ(fs().read_file(file("a"), 100).value(), "hello 中庭");
    EXPECT_EQ(fs().size(file("a")).value(), 12u);
    EXPECT_EQ(fs().read_range(file("a"), 1, 3).value(), "ell");
    EXPECT_EQ(fs().read_range(file("a"), 10, 100).value().size(), 2u);
    EXPECT_EQ(fs().read_range(file("a"), 100, 1).value(), "");
}

TEST_P(FsContract, CreateTruncatesAndAppendAdds) {
    ASSERT_TRUE(write(file("a"), "first, long"));
    ASSERT_TRUE(write(file("a"), "second"));
    {
        auto out = fs().open_append(file("a"));
        ASSERT_TRUE(out);
        ASSERT_TRUE((*out)->append(" third"));
        ASSERT_TRUE((*out)->close());
        ASSERT_TRUE((*out)->close());
        EXPECT_FALSE((*out)->append("after close"));
    }
    EXPECT_EQ(fs().read_file(file("a"), 100).value(), "second third");
}

TEST_P(FsContract, FilesArePrivate) {
    ASSERT_TRUE(write(file("a"), "x"));
    struct stat info{};
    ASSERT_EQ(::stat(file("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_P(FsContract, ErrorsNameThePath) {
    const auto absent = fs().read_file(file("absent"), 100);
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), Code::kNotFound);
    EXPECT_NE(absent.error().message().find(file("absent").string()), std::string::npos);

    EXPECT_EQ(fs().size(file("absent")).error().code(), Code::kNotFound);
    EXPECT_EQ(fs().list(file("absent")).error().code(), Code::kNotFound);
    EXPECT_EQ(fs().create(file("no/such/folder")).error().code(), Code::kNotFound);
    EXPECT_EQ(fs().rename(file("absent"), file("b")).error().code(), Code::kNotFound);
    EXPECT_FALSE(fs().read_file(dir_.path(), 100));
}

TEST_P(FsContract, RefusesLargerThanTheLimit) {
    ASSERT_TRUE(write(file("a"), "0123456789"));
    EXPECT_EQ(fs().read_file(file("a"), 10).value().size(), 10u);
    EXPECT_EQ(fs().read_file(file("a"), 9).error().code(), Code::kOutOfRange);
}

TEST_P(FsContract, ReadsFilesWithoutASize) {
    EXPECT_NE(fs().read_file("/proc/self/status", 1 << 20).value().find("Name:"), std::string::npos);
}

TEST_P(FsContract, ListsSortedAndRemovesIdempotently) {
    ASSERT_TRUE(write(file("b"), ""));
    ASSERT_TRUE(write(file("a"), ""));
    ASSERT_TRUE(fs().make_directories(file("c/d/")));
    ASSERT_TRUE(fs().make_directories(file("c/d")));
    EXPECT_EQ(fs().list(dir_.path()).value(), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_FALSE(fs().make_directories(file("a/x")));
    ASSERT_TRUE(fs().remove(file("a")));
    ASSERT_TRUE(fs().remove(file("a")));
    ASSERT_TRUE(fs().remove(file("c/d")));
    EXPECT_EQ(fs().list(dir_.path()).value(), (std::vector<std::string>{"b", "c"}));
}

TEST_P(FsContract, RenameReplaces) {
    ASSERT_TRUE(write(file("a"), "new"));
    ASSERT_TRUE(write(file("b"), "old"));
    ASSERT_TRUE(fs().rename(file("a"), file("b")));
    EXPECT_EQ(fs().read_file(file("b"), 10).value(), "new");
    EXPECT_EQ(fs().size(file("a")).error().code(), Code::kNotFound);
}

TEST_P(FsContract, ReportsFreeSpaceBelowPathsToCome) {
    EXPECT_GT(fs().free_bytes(dir_.path()).value(), 0u);
    EXPECT_GT(fs().free_bytes(file("not/yet/there")).value(), 0u);
}

TEST_P(FsContract, ReplacesFilesAtomically) {
    ASSERT_TRUE(write_file_atomically(fs(), file("a"), "one"));
    ASSERT_TRUE(write_file_atomically(fs(), file("a"), "two"));
    EXPECT_EQ(fs().read_file(file("a"), 10).value(), "two");
    EXPECT_EQ(fs().list(dir_.path()).value().size(), 1u);
}

TEST_P(FsContract, NamesAFolderThatMayNotBeWritten) {
    if (::geteuid() != 0) {
        ASSERT_EQ(::chmod(dir_.path().c_str(), 0500), 0);
    } else if (::seteuid(65534) != 0) {
        GTEST_SKIP() << "cannot become an unprivileged user";
    }
    const auto refused = fs().create(file("a"));
    if (::geteuid() == 65534) ASSERT_EQ(::seteuid(0), 0);
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0700), 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
    EXPECT_NE(refused.error().message().find(dir_.path().string()), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Implementations, FsContract, testing::Bool(),
                         [](const auto& run) { return run.param ? "Fault" : "Machine"; });

TEST(FaultFs, AtomicWriteLeavesOldOrNewAtEveryCrash) {
    for (std::uint64_t n = 0;; ++n) {
        ASSERT_LT(n, 50u) << "the write never succeeded";
        const TempDir dir;
        const Path path = dir.path() / "a";
        ASSERT_TRUE(write_file_atomically(machine_fs(), path, "old"));
        FaultFs fault(machine_fs());
        fault.crash_at(n);
        const bool written = write_file_atomically(fault, path, "new content").has_value();
        const std::string now = machine_fs().read_file(path, 100).value();
        if (written) {
            EXPECT_EQ(now, "new content");
            EXPECT_EQ(n, fault.operations());
            break;
        }
        EXPECT_TRUE(now == "old" || now == "new content") << now;
    }
}

TEST(FaultFs, CleansUpAfterEverySingleFault) {
    for (std::uint64_t n = 0;; ++n) {
        const TempDir dir;
        FaultFs fault(machine_fs());
        fault.fail_at(n, EIO);
        if (write_file_atomically(fault, dir.path() / "a", "new")) break;
        EXPECT_TRUE(machine_fs().list(dir.path()).value().empty()) << "after operation " << n;
    }
}

TEST(FaultFs, FullDiskWritesWhatFitsThenSaysSo) {
    const TempDir dir;
    FaultFs fault(machine_fs());
    fault.limit_bytes(10);
    auto out = fault.create(dir.path() / "a").value();
    ASSERT_TRUE(out->append("12345678"));
    EXPECT_EQ(fault.free_bytes(dir.path()).value(), 2u);
    const auto full = out->append("90ab");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code(), Code::kResourceExhausted);
    EXPECT_FALSE(out->sync()) << "a file that lost bytes must not claim to be durable";
    EXPECT_EQ(machine_fs().read_file(dir.path() / "a", 100).value(), "1234567890");
    fault.clear();
    EXPECT_TRUE(write_file_atomically(fault, dir.path() / "b", "fits again"));
}

TEST(FaultFs, FailsByKindAndShortens) {
    const TempDir dir;
    FaultFs fault(machine_fs());
    fault.fail_at(FaultFs::Op::kSync, 1, EIO);
    ASSERT_TRUE(write_file_atomically(fault, dir.path() / "a", "1"));
    EXPECT_EQ(write_file_atomically(fault, dir.path() / "b", "2").error().code(), Code::kDataLoss);
    fault.short_write_at(0, 3);
    auto out = fault.create(dir.path() / "c").value();
    EXPECT_FALSE(out->append("abcdef"));
    EXPECT_EQ(machine_fs().read_file(dir.path() / "c", 100).value(), "abc");
}

}  // namespace
}  // namespace atrium
