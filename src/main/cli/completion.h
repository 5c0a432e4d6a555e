#pragma once

#include <string>

namespace CLI {
class App;
}

namespace atrium::cli {

/// Prints a completion script for the shell, made from the parser itself, so it never lags behind the verbs.
int completion(const CLI::App& app, const std::string& shell);

}  // namespace atrium::cli
