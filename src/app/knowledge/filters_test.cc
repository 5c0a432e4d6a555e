#include "app/knowledge/filters.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

bool matches(std::string_view filter, std::string_view attributes) {
    const auto parsed = AttributeFilter::parse(json::parse(filter).value());
    EXPECT_TRUE(parsed) << filter << ": " << parsed.error().message();
    return parsed->matches(json::parse_object(attributes).value());
}

struct Case {
    std::string_view filter;
    bool expected;
};

TEST(AttributeFilter, ComparesAsDocumented) {
    constexpr std::string_view attributes = R"({"year":2024,"team":"finance","draft":false,"price":9.5})";
    for (const Case& c : std::initializer_list<Case>{
             {R"({"type":"eq","key":"team","value":"finance"})", true},
             {R"({"type":"eq","key":"team","value":"legal"})", false},
             {R"({"type":"ne","key":"team","value":"legal"})", true},
             {R"({"type":"ne","key":"missing","value":"x"})", true},
             {R"({"type":"eq","key":"missing","value":"x"})", false},
             {R"({"type":"gt","key":"missing","value":1})", false},
             {R"({"type":"eq","key":"year","value":2024.0})", true},
             {R"({"type":"eq","key":"year","value":"2024"})", false},
             {R"({"type":"gt","key":"year","value":2023})", true},
             {R"({"type":"gt","key":"year","value":2024})", false},
             {R"({"type":"gte","key":"year","value":2024})", true},
             {R"({"type":"lt","key":"price","value":10})", true},
             {R"({"type":"lte","key":"price","value":9.5})", true},
             {R"({"type":"gt","key":"team","value":"a"})", true},
             {R"({"type":"gt","key":"team","value":1})", false},
             {R"({"type":"eq","key":"draft","value":false})", true},
             {R"({"type":"in","key":"team","value":["legal","finance"]})", true},
             {R"({"type":"in","key":"missing","value":["a"]})", false},
             {R"({"type":"nin","key":"team","value":["legal"]})", true},
             {R"({"type":"nin","key":"missing","value":["a"]})", true},
             {R"({"type":"and","filters":[{"type":"eq","key":"team","value":"finance"},{"type":"gt","key":"year","value":2025}]})", false},
             {R"({"type":"or","filters":[{"type":"eq","key":"team","value":"finance"},{"type":"gt","key":"year","value":2025}]})", true},
             {"null", true},
         }) {
        EXPECT_EQ(matches(c.filter, attributes), c.expected) << c.filter;
    }
}

TEST(AttributeFilter, ErrorsNameTheField) {
    const auto field = [](std::string_view filter) {
        const auto parsed = AttributeFilter::parse(json::parse(filter).value());
        EXPECT_FALSE(parsed) << filter;
        return parsed ? std::string() : parsed.error().field();
    };
    EXPECT_EQ(field("[]"), "filters");
    EXPECT_EQ(field(R"({"type":"like","key":"a","value":"b"})"), "filters.type");
    EXPECT_EQ(field(R"({"type":"eq","value":"b"})"), "filters.key");
    EXPECT_EQ(field(R"({"type":"eq","key":"a"})"), "filters.value");
    EXPECT_EQ(field(R"({"type":"eq","key":"a","value":{}})"), "filters.value");
    EXPECT_EQ(field(R"({"type":"in","key":"a","value":"b"})"), "filters.value");
    EXPECT_EQ(field(R"({"type":"and","filters":[]})"), "filters.filters");
    EXPECT_EQ(field(R"({"type":"and","filters":[{"type":"eq","key":"a","value":null}]})"), "filters.filters[0].value");
    std::string deep = R"({"type":"eq","key":"a","value":1})";
    for (int i = 0; i < 9; ++i) deep = R"({"type":"and","filters":[)" + deep + "]}";
    EXPECT_FALSE(AttributeFilter::parse(json::parse(deep).value()));
    json::object list{{"type", "in"}, {"key", "a"}, {"value", json::array(1001, 1)}};
    EXPECT_EQ(field(json::serialize(list)), "filters.value");
    list["value"] = {std::string(2049, 'x')};
    EXPECT_EQ(field(json::serialize(list)), "filters.value");
}

TEST(Attributes, LimitsAreChecked) {
    const auto valid = [](std::string_view text) {
        const auto value = json::parse(text).value();
        return validate_attributes(&value, "attributes").has_value();
    };
    EXPECT_TRUE(valid(R"({"a":1,"b":"x","c":true,"d":1.5})"));
    EXPECT_TRUE(valid("null"));
    EXPECT_FALSE(valid(R"({"a":[1]})"));
    EXPECT_FALSE(valid(R"({"a":null})"));
    EXPECT_FALSE(valid(R"({"":1})"));
    EXPECT_FALSE(valid("{\"" + std::string(65, 'k') + "\":1}"));
    EXPECT_FALSE(valid("{\"a\":\"" + std::string(513, 'v') + "\"}"));
    std::string many = "{";
    for (int i = 0; i < 17; ++i) many += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
    EXPECT_FALSE(valid(many + "}"));
    const auto number = json::parse(R"({"a":1})").value();
    EXPECT_FALSE(validate_metadata(&number, "metadata"));
}

}  // namespace
}  // namespace atrium::app
