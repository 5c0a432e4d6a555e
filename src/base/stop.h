#pragma once

#include <stop_token>

namespace atrium {

/// Cancellation, from the client's socket down to the engine's KV cells: the requester owns the source, everybody
/// below holds a token and looks at it (or registers a callback) at each step. Thread-safe.
using StopSource = std::stop_source;
using StopToken = std::stop_token;
template <class Callback>
using StopCallback = std::stop_callback<Callback>;

}  // namespace atrium
