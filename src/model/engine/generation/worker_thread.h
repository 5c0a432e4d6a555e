#pragma once

#include <pthread.h>

#include <functional>
#include <memory>

#include "base/result.h"

namespace atrium::model {

/// A joinable thread with a stack of 64 MiB (reserved, not used): grammars match their triggers with a recursive regular
/// expression engine, which overruns the usual 8 MiB on a long answer.
class WorkerThread {
public:
    WorkerThread() = default;
    ~WorkerThread() { join(); }
    WorkerThread(const WorkerThread&) = delete;
    WorkerThread& operator=(const WorkerThread&) = delete;

    Result<> start(const char* name, std::function<void()> body);
    void join();

private:
    pthread_t thread_{};
    bool running_ = false;
};

}  // namespace atrium::model
