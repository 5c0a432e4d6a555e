#include "observability/log/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"

namespace atrium::log {
namespace {

TEST(Log, WritesOneJsonObjectPerLine) {
    const std::string file = testing::TempDir() + "atrium_log_" + std::to_string(getpid());
    init({.level = Level::kInfo, .format = Format::kJson, .file = file});
    debug("not shown");
    info("started \"x\"\n", {{"port", 8080}, {"ok", true}, {"why", not_found("gone")}});
    write(Level::kWarning, "slow", {{"seconds", 1.5}}, "4bf92f3577b34da6a3ce929d0e0e4736");
    shutdown();
    std::ifstream in(file);
    std::string line;
    ASSERT_TRUE(std::getline(in, line));
    const json::object first = json::parse_object(line).value();
    EXPECT_EQ(first.at("msg"), "started \"x\"\n");
    EXPECT_EQ(first.at("port"), 8080);
    EXPECT_EQ(first.at("why"), "not_found: gone");
    ASSERT_TRUE(std::getline(in, line));
    const json::object second = json::parse_object(line).value();
    EXPECT_EQ(second.at("level"), "warning");
    EXPECT_EQ(second.at("trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_FALSE(std::getline(in, line));
    std::filesystem::remove(file);
}

TEST(Log, AValueCannotForgeALineOfText) {
    const std::string file = testing::TempDir() + "atrium_log_text_" + std::to_string(getpid());
    init({.level = Level::kInfo, .format = Format::kText, .file = file});
    info("engine says", {{"line", "done\n12:00:00.000 error   all keys revoked\x1b[2J\xc2\x9b 中文"}});
    shutdown();
    std::ifstream in(file);
    std::string line;
    ASSERT_TRUE(std::getline(in, line));
    EXPECT_NE(line.find("line=done\\n12:00:00.000 error   all keys revoked\\x1b[2J\\x9b 中文"), std::string::npos)
        << line;
    EXPECT_FALSE(std::getline(in, line)) << line;
    std::filesystem::remove(file);
}

TEST(Log, LevelsHaveNames) {
    EXPECT_EQ(parse_level("error").value(), Level::kError);
    EXPECT_FALSE(parse_level("loud").has_value());
}

}  // namespace
}  // namespace atrium::log
