#include "platform/http/message.h"

#include <gtest/gtest.h>

namespace atrium::http {
namespace {

TEST(HeadersTest, NamesCompareWithoutCaseAndKeepTheirOrder) {
    Headers headers;
    headers.add("Accept", "a");
    headers.add("X-One", "1");
    headers.add("accept", "b");
    EXPECT_EQ(headers.get("ACCEPT"), "a");
    EXPECT_EQ(headers.count("aCCept"), 2u);
    EXPECT_EQ(headers.get("absent"), std::nullopt);

    headers.set("accept", "c");
    EXPECT_EQ(headers.count("Accept"), 1u);
    EXPECT_EQ(headers.get("Accept"), "c");
    EXPECT_EQ(headers.begin()->first, "Accept");

    headers.set("X-Two", "2");
    EXPECT_EQ(headers.size(), 3u);
    headers.remove("x-one");
    EXPECT_EQ(headers.get("X-One"), std::nullopt);
    EXPECT_EQ(headers.size(), 2u);
}

TEST(RequestHeadTest, QueryValues) {
    RequestHead head;
    head.query = "limit=10&after=file-1&name=a%20b+c&empty=&flag&limit=20&caf%C3%A9=%E4%B8%AD";
    EXPECT_EQ(head.query_value("limit"), "10");
    EXPECT_EQ(head.query_value("after"), "file-1");
    EXPECT_EQ(head.query_value("name"), "a b c");
    EXPECT_EQ(head.query_value("empty"), "");
    EXPECT_EQ(head.query_value("flag"), "");
    EXPECT_EQ(head.query_value("café"), "中");
    EXPECT_EQ(head.query_value("lim"), std::nullopt);
    head.query = "";
    EXPECT_EQ(head.query_value("limit"), std::nullopt);
}

TEST(PercentTest, DecodesWhatIsEncodedAndKeepsTheRest) {
    EXPECT_EQ(percent_decode("a%20b"), "a b");
    EXPECT_EQ(percent_decode("a+b"), "a+b");
    EXPECT_EQ(percent_decode("100%"), "100%");
    EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
    EXPECT_EQ(percent_decode("%41%6a%6A"), "Ajj");
    EXPECT_EQ(percent_decode(std::string_view("%00", 3)), std::string(1, '\0'));
    EXPECT_EQ(percent_encode("a b/中~-._"), "a%20b%2F%E4%B8%AD~-._");
    std::string all;
    for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
}

TEST(ResponseTest, Types) {
    EXPECT_EQ(Response::json(200, "{}").headers.get("content-type"), "application/json");
    EXPECT_EQ(Response::text(404, "no").status, 404);
    EXPECT_EQ(reason_phrase(200), "OK");
    for (int status : {100, 299, 399, 418, 599}) EXPECT_FALSE(reason_phrase(status).empty());
    EXPECT_EQ(method_name(Method::kDelete), "DELETE");
}

}  // namespace
}  // namespace atrium::http
