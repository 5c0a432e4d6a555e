#include "main/signals.h"

#include <csignal>
#include <cstdlib>

namespace atrium {
namespace {

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    return set;
}

}  // namespace

Signals::Signals() {
    const sigset_t set = handled_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() = default;

void Signals::deliver(Handlers handlers) {
    thread_ = std::jthread([handlers = std::move(handlers)](const std::stop_token& stop) {
        const sigset_t set = handled_signals();
        bool stopping = false;
        while (!stop.stop_requested()) {
            // A short timeout, so that the thread ends with its owner without a signal of its own.
            constexpr timespec kTick{0, 200'000'000};
            const int number = sigtimedwait(&set, nullptr, &kTick);
            if (number == SIGHUP) {
                handlers.on_reload();
            } else if (number > 0) {
                if (stopping) std::_Exit(130);
                stopping = true;
                handlers.on_stop();
            }
        }
    });
}

}  // namespace atrium
