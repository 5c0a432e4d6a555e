#include "model/engine/module.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace atrium::model {
namespace {

constexpr const char* kModuleFile = "atrium_llama.so";

}  // namespace

Result<std::filesystem::path> find_engine_module(const std::string& configured, const std::filesystem::path& executable) {
    std::vector<std::filesystem::path> places;
    if (!configured.empty()) {
        places.emplace_back(configured);
    } else {
        const std::filesystem::path folder = executable.parent_path();
        places = {folder / "lib" / kModuleFile, folder / "../lib/atrium" / kModuleFile, folder / "../lib" / kModuleFile};
    }
    std::string looked;
    for (const auto& place : places) {
        std::error_code error;
        if (std::filesystem::is_regular_file(place, error)) return std::filesystem::weakly_canonical(place);
        looked += (looked.empty() ? "'" : ", '") + place.lexically_normal().string() + "'";
    }
    return fail(not_found(fmt::format("the engine module is missing; looked at {}", looked)));
}

Result<const ModuleEntry*> open_engine_module(const std::filesystem::path& path) {
    // Local: its libraries' symbols are nobody else's business. Never closed: they leave threads and thread-locals behind.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char* reason = dlerror();
        return fail(failed_precondition(fmt::format("cannot load the engine module '{}': {}", path.string(), reason ? reason : "?")));
    }
    const auto function = reinterpret_cast<ModuleFunction>(dlsym(handle, kModuleSymbol));
    if (!function) return fail(failed_precondition(fmt::format("'{}' is not an engine module", path.string())));
    const ModuleEntry* entry = function();
    if (!entry || entry->interface_version != kBackendInterface) {
        return fail(failed_precondition(fmt::format("the engine module '{}' belongs to another version of atrium", path.string())));
    }
    return entry;
}

}  // namespace atrium::model
