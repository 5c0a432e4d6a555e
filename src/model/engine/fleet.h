#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "config/settings.h"
#include "model/catalog/model_store.h"
#include "observability/metrics/metrics.h"
#include "platform/async/runtime.h"
#include "platform/process/supervisor.h"

namespace atrium::model {

struct EngineStatus {
    std::string model;
    ModelTask task = ModelTask::kChat;
    process::ChildState state = process::ChildState::kStopped;
    std::string failure;  ///< why it is not ready
    int process_id = 0;
    int restarts = 0;
};

/// The watchdog's question to a /healthz document: are steps going by while there is work?
bool makes_progress(const json::object& health, std::chrono::milliseconds limit);

/// The local engine processes: one supervised `atrium engine` per configured model, each an OpenAI-shaped HTTP server on
/// a Unix socket under `run_directory`. To everybody else a local engine is just another upstream, reached at base_url().
/// Belongs to the io thread of `context`; owned by main.
class EngineFleet {
public:
    struct Options {
        std::string executable;
        Path run_directory;  ///< sockets; 0700
        int threads = 0;     ///< per engine; 0 = all cores of the cgroup
    };
    EngineFleet(boost::asio::io_context& context, const Clock& clock, metrics::Registry& metrics, Options options);
    ~EngineFleet();

    /// Starts (or replaces) the engine of one model. Returns at once; readiness shows in status().
    Result<> start(const InstalledModel& model, const config::ModelSettings& settings);
    Task<> stop_all();

    /// "unix:/…/gemma-3-270m.sock:/v1"
    Result<std::string> base_url(std::string_view model) const;
    std::vector<EngineStatus> status() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace atrium::model
