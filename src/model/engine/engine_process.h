#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace atrium::model {

struct EngineOptions {
    std::string model_path;   ///< --model: the GGUF
    std::string socket;       ///< --socket: path of the Unix socket, or "host:port"
    std::string name;         ///< --name; default: the file's name
    bool embedding = false;   ///< --task chat|embedding
    int context = 8192;       ///< --context: KV cells shared by all slots
    int slots = 8;            ///< --slots: sequences at once
    int threads = 0;          ///< --threads; 0: the cores of the cgroup
    std::string defaults_file;  ///< --defaults: JSON with chat_template, stop, temperature
};

/// The arguments after `atrium engine`. kInvalidArgument names the flag.
Result<EngineOptions> parse_engine_arguments(const std::vector<std::string>& arguments);
/// The inverse: what a parent puts after "engine".
std::vector<std::string> engine_arguments(const EngineOptions& options);

/// The engine process: serves one model until SIGTERM or SIGINT. Listens at once and answers 503 while the model loads.
/// Enters the engine sandbox before it opens the model file. Returns the exit code: 0 stopped, 1 failed (the log says why).
/// Call from main before any other thread exists.
int run_engine(const EngineOptions& options);

}  // namespace atrium::model
