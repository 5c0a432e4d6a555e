#pragma once

#include <span>
#include <string_view>

#include "gateway/console/console.h"

namespace atrium::gateway {

/// One file of the built console, inside the executable.
struct Asset {
    std::string_view path;  ///< "/assets/index-3f2a.js"
    std::string_view type;  ///< of the content, with its charset
    std::string_view tag;   ///< hash of the content, hexadecimal
    std::string_view body;
    std::string_view gzip;  ///< empty when compressing did not pay
};

/// Every file of console/dist, sorted by path; empty when the console was not built. Written by embed.py.
std::span<const Asset> embedded_assets();

/// Serves a set of files as console.h says. Holds a view; immutable, thread-safe.
class Site {
public:
    explicit Site(std::span<const Asset> assets) : assets_(assets) {}

    http::Response respond(const ConsoleRequest& request) const;

private:
    const Asset* find(std::string_view path) const;

    std::span<const Asset> assets_;
};

}  // namespace atrium::gateway
