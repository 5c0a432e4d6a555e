#pragma once

#include <string>
#include <string_view>

namespace atrium::gateway {

/// A local model that does not answer yet, or not any more.
struct NotReady {
    enum class State { kStarting, kUnavailable };

    std::string model;
    State state = State::kStarting;
    std::string detail;  ///< the engine's own words, with paths: for administrators and the log only

    std::string_view state_name() const { return state == State::kStarting ? "starting" : "unavailable"; }
    /// "e5 is starting": what everybody may know.
    std::string sentence() const { return model + " is " + std::string(state_name()); }
    bool operator==(const NotReady&) const = default;
};

}  // namespace atrium::gateway
