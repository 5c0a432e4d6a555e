#include "base/json.h"

#include <gtest/gtest.h>

namespace atrium::json {
namespace {

TEST(Parse, NamesTheByteOfTheDefect) {
    const auto broken = parse(R"({"a": tru})");
    ASSERT_FALSE(broken.has_value());
    EXPECT_EQ(broken.error().code(), Code::kInvalidArgument);
    EXPECT_NE(broken.error().message().find("byte"), std::string::npos);
}

TEST(Parse, RefusesTrailingContentDepthAndBadUtf8) {
    EXPECT_FALSE(parse("{} {}").has_value());
    EXPECT_FALSE(parse("").has_value());
    EXPECT_FALSE(parse(std::string(1000, '[') + std::string(1000, ']')).has_value());
    EXPECT_FALSE(parse("\"\xC3\x28\"").has_value());
    EXPECT_FALSE(parse_object("[]").has_value());
    EXPECT_TRUE(parse(" {\"a\": [1, 2.5, null]} \n").has_value());
}

TEST(Reader, ErrorsNameTheField) {
    const object body = parse_object(R"({"model": 3, "limit": 1.5, "n": 200, "t": "x", "nothing": null})").value();
    const Reader reader(body, "outer");
    EXPECT_EQ(reader.required_string("model").error().field(), "outer.model");
    EXPECT_EQ(reader.required_string("gone").error().message(), "'outer.gone' is required and must be a string");
    EXPECT_FALSE(reader.optional_int("limit", 0, 10).has_value());
    EXPECT_EQ(reader.optional_int("n", 1, 100).error().message(), "'outer.n' must be an integer from 1 to 100");
    EXPECT_FALSE(reader.optional_bool("t").has_value());
    EXPECT_EQ(reader.optional_string("nothing").value(), std::nullopt);
    EXPECT_EQ(reader.optional_number("n", 0, 1e9).value(), 200.0);
}

}  // namespace
}  // namespace atrium::json
