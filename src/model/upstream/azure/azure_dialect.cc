#include "model/upstream/azure/azure_dialect.h"

#include "platform/http/message.h"

namespace atrium::model {
namespace {

// The newest version without "preview" in its name.
constexpr std::string_view kDefaultVersion = "2024-10-21";

/// "https://host/openai?x=1" → "/openai".
std::string_view path_of(std::string_view base_url) {
    base_url = base_url.substr(0, base_url.find('?'));
    const auto scheme = base_url.find("://");
    if (scheme != std::string_view::npos) base_url.remove_prefix(scheme + 3);
    const auto slash = base_url.find('/');
    base_url = slash == std::string_view::npos ? std::string_view() : base_url.substr(slash);
    while (base_url.ends_with('/')) base_url.remove_suffix(1);
    return base_url;
}

std::string address(const UpstreamCall& call, const UpstreamOptions& options) {
    const auto base = path_of(options.base_url);
    std::string version = options.api_version;
    std::string path;
    const bool v1 = base.ends_with("/v1");
    if (!v1 && !base.contains("/deployments/")) {
        if (!base.ends_with("/openai")) path += "/openai";
        path += "/deployments/" + http::percent_encode(call.model);
    }
    if (version.empty() && !v1) version = kDefaultVersion;
    path += operation_path(call.operation);
    // A version in the base URL's own query is added by whoever joins the two.
    if (!version.empty() && !options.base_url.contains("api-version="))
        path += "?api-version=" + http::percent_encode(version);
    return path;
}

}  // namespace

Result<WireRequest> AzureDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    UpstreamOptions without_key = options;
    without_key.api_key.clear();
    TRY_ASSIGN(auto wire, OpenAiDialect::encode(call, without_key));
    wire.path = address(call, options);
    if (!options.api_key.empty()) wire.headers.add("api-key", options.api_key);
    return wire;
}

}  // namespace atrium::model
