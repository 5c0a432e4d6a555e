#include "platform/sql/internal/dialect.h"

#include <gmock/gmock.h>

#include "platform/sql/internal/location.h"

namespace atrium::sql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Dialect, FindsParametersOutsideOfTextAndCasts) {
    const auto found = translate("SELECT ':no', \":no\", a::bigint, 'it''s :no' FROM t -- :no\n WHERE x = :id /* :no */ OR y=:id2",
                                 Dialect::kPostgresql);
    ASSERT_TRUE(found);
    EXPECT_THAT(found->parameters, ElementsAre("id", "id2"));
    EXPECT_THAT(found->sql, HasSubstr("a::bigint"));
    EXPECT_THAT(found->sql, HasSubstr("'it''s :no'"));
    EXPECT_THAT(found->sql, Not(HasSubstr("--")));
}

TEST(Dialect, ReplacesWords) {
    constexpr auto kSql = "CREATE TABLE t (n {{bigserial}} PRIMARY KEY)";
    EXPECT_EQ(translate(kSql, Dialect::kSqlite)->sql, "CREATE TABLE t (n INTEGER PRIMARY KEY)");
    EXPECT_EQ(translate(kSql, Dialect::kPostgresql)->sql, "CREATE TABLE t (n BIGSERIAL PRIMARY KEY)");
    EXPECT_EQ(translate("SELECT '{{bigserial}}'", Dialect::kSqlite)->sql, "SELECT '{{bigserial}}'");
    EXPECT_EQ(translate("{{nonsense}}", Dialect::kSqlite).error().code(), Code::kInternal);
}

TEST(Dialect, RefusesWhatTheDriverWouldMisread) {
    for (const char* sql : {"SELECT 1; DELETE FROM t", "SELECT 'open", "SELECT /* open", "SELECT {{open"}) {
        EXPECT_FALSE(translate(sql, Dialect::kSqlite)) << sql;
    }
    EXPECT_TRUE(translate("SELECT 1;\n -- done\n", Dialect::kSqlite));
}

TEST(Dialect, SplitsMigrations) {
    EXPECT_THAT(split_statements("-- first\nCREATE TABLE a (x TEXT);\n\nINSERT INTO a VALUES ('x;y');  \n-- end\n"),
                ElementsAre("-- first\nCREATE TABLE a (x TEXT)", "INSERT INTO a VALUES ('x;y')"));
    EXPECT_THAT(split_statements("A;\r\nB"), ElementsAre("A", "B"));
    EXPECT_THAT(split_statements(" ;\n ;\n"), IsEmpty());
}

TEST(Dialect, ChecksumNoticesAnEdit) {
    EXPECT_EQ(checksum("CREATE TABLE a"), checksum("CREATE TABLE a"));
    EXPECT_NE(checksum("CREATE TABLE a"), checksum("CREATE TABLE b"));
    EXPECT_EQ(checksum(""), "cbf29ce484222325");
}

TEST(Location, NeverShowsASecret) {
    for (const char* url : {"postgresql://me:s3cret@db/x", "postgresql://me:s3cret@db:5432/x?sslmode=require",
                            "postgresql://me:s3/cret@db/x", "postgresql://me:s3@cret@db/x", "postgres://me@db/x?password=s3cret"}) {
        const auto location = parse_location(url);
        ASSERT_TRUE(location) << url;
        EXPECT_THAT(location->shown, Not(HasSubstr("s3"))) << url;
        EXPECT_THAT(location->shown, HasSubstr("me@db")) << url;
    }
    const auto wrong = parse_location("mysql://me:s3cret@db/x");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(wrong.error().to_string(), Not(HasSubstr("s3")));
}

TEST(Location, ReadsPaths) {
    EXPECT_EQ(parse_location("sqlite:///var/lib/a b=c.db")->path, "/var/lib/a b=c.db");
    EXPECT_EQ(parse_location("sqlite:////var/lib/a.db")->path, "/var/lib/a.db");
    EXPECT_TRUE(parse_location("sqlite://:memory:")->in_memory());
    EXPECT_FALSE(parse_location("sqlite://"));
    EXPECT_FALSE(parse_location("sqlite:///a\"b"));
}

}  // namespace
}  // namespace atrium::sql
