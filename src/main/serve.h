#pragma once

#include <string>
#include <vector>

#include "main/cli/verbs.h"

namespace atrium {

struct ServeOptions {
    std::string listen;                  ///< overrides server.listen
    std::vector<std::string> overrides;  ///< "section.key=value"
    std::string samples;                 ///< folder of the sample documents; empty: beside the program
};

/// `atrium serve`: runs until SIGTERM or SIGINT. Returns the exit code.
int serve(const cli::Common& common, const ServeOptions& options);

}  // namespace atrium
