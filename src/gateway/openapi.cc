#include "gateway/openapi.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/text.h"

namespace atrium::gateway {
namespace {

json::object error_schema() {
    const json::object nullable{{"type", {"string", "null"}}};
    return {{"type", "object"},
            {"required", {"error"}},
            {"properties",
             {{"error",
               {{"type", "object"},
                {"required", {"message", "type", "param", "code"}},
                {"properties",
                 {{"message", {{"type", "string"}}},
                  {"type", {{"type", "string"}}},
                  {"param", nullable},
                  {"code", nullable}}}}}}}};
}

json::array path_parameters(std::string_view path) {
    json::array parameters;
    for (const auto segment : text::split(path, '/')) {
        if (!segment.starts_with('{')) continue;
        const auto name = segment.substr(1, segment.size() - 2);
        parameters.push_back(
            json::object{{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
    }
    return parameters;
}

/// "post_v1_chat_completions": stable, unique, usable as a function name.
std::string operation_id(std::string_view method, std::string_view path) {
    std::string id = text::to_lower_ascii(method);
    for (const char c : path) {
        const bool word = std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (word)
            id.push_back(c);
        else if (!id.ends_with('_'))
            id.push_back('_');
    }
    while (id.ends_with('_')) id.pop_back();
    return id;
}

json::object json_content(const json::object& schema) {
    json::object content;
    content["application/json"] = json::object{{"schema", schema}};
    return content;
}

json::object operation(const RouteSpec& route, const std::string& path) {
    const auto method = http::method_name(route.method);
    json::object described;
    described["operationId"] = operation_id(method, path);
    described["summary"] = route.summary;
    described["tags"] = json::array{json::value(route.tag)};
    if (auto parameters = path_parameters(path); !parameters.empty()) described["parameters"] = std::move(parameters);
    if (!route.request_schema.empty()) {
        described["requestBody"] = json::object{{"required", true}, {"content", json_content(route.request_schema)}};
    }
    json::object success{{"description", "Success"}};
    if (!route.response_schema.empty()) success["content"] = json_content(route.response_schema);
    json::object error{{"description", "Error"}};
    error["content"] = json_content({{"$ref", "#/components/schemas/Error"}});
    json::object responses;
    responses["200"] = std::move(success);
    responses["default"] = std::move(error);
    described["responses"] = std::move(responses);
    if (route.access == Access::kPublic) described["security"] = json::array{};
    if (route.access == Access::kAdmin) described["x-atrium-access"] = "admin";
    if (route.access == Access::kOrganisation) described["x-atrium-access"] = "organization";
    if (route.access == Access::kProject) described["x-atrium-access"] = "project";
    if (route.scope) described["x-atrium-scope"] = app::scope_name(*route.scope);
    return described;
}

}  // namespace

std::string openapi_path(std::string_view pattern) {
    std::string path(pattern);
    if (path.ends_with("...}")) path.replace(path.size() - 4, 4, "}");
    return path;
}

json::object openapi_document(const RouteTable& routes, std::string_view version) {
    json::object paths;
    std::set<std::string> tags;
    for (const auto& route : routes.routes()) {
        const auto path = openapi_path(route.pattern);
        auto& item = paths[path];
        if (!item.is_object()) item.emplace_object();
        item.get_object()[text::to_lower_ascii(http::method_name(route.method))] = operation(route, path);
        tags.insert(route.tag);
    }
    json::array tag_list;
    for (const auto& tag : tags) tag_list.push_back(json::object{{"name", tag}});

    json::object document;
    document["openapi"] = "3.1.0";
    document["info"] = json::object{
        {"title", "Atrium"}, {"version", version}, {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}};
    json::array security;
    security.push_back(json::object{{"key", json::array{}}});
    document["security"] = std::move(security);
    document["tags"] = std::move(tag_list);
    document["paths"] = std::move(paths);
    json::object components;
    components["securitySchemes"] = json::object{{"key", {{"type", "http"}, {"scheme", "bearer"}}}};
    components["schemas"] = json::object{{"Error", error_schema()}};
    document["components"] = std::move(components);
    return document;
}

}  // namespace atrium::gateway
