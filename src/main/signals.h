#pragma once

#include <functional>
#include <thread>

namespace atrium {

/// Turns SIGTERM, SIGINT and SIGHUP into calls, on a thread of its own. Construct on the main thread before any other
/// thread exists: the signals are blocked there and every later thread inherits that. SIGPIPE is ignored.
/// A second SIGTERM or SIGINT ends the process at once, for people who press Ctrl-C twice.
class Signals {
public:
    struct Handlers {
        std::function<void()> on_stop;
        std::function<void()> on_reload;
    };
    Signals();
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    /// Starts delivering. Handlers run on the signal thread: they may only do what is thread-safe.
    void deliver(Handlers handlers);

private:
    std::jthread thread_;
};

}  // namespace atrium
