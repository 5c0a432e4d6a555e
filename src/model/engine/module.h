#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "model/engine/backend.h"

/// Opens the inference module at run time, so that the program itself neither links nor loads model code.
namespace atrium::model {

/// `ATRIUM_ENGINE_MODULE` (passed as `configured`), else lib/, ../lib/atrium/ or ../lib/ next to the executable.
/// kNotFound that lists where it looked.
Result<std::filesystem::path> find_engine_module(const std::string& configured, const std::filesystem::path& executable);

/// The module's entry; it stays loaded until the process ends. kFailedPrecondition when it does not load or was built for
/// another interface.
Result<const ModuleEntry*> open_engine_module(const std::filesystem::path& path);

}  // namespace atrium::model
