#include "model/engine/generation/worker_thread.h"

namespace atrium::model {
namespace {

constexpr std::size_t kStackBytes = 64u << 20;

void* run(void* body) {
    const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(body));
    (*owned)();
    return nullptr;
}

}  // namespace

Result<> WorkerThread::start(const char* name, std::function<void()> body) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    auto owned = std::make_unique<std::function<void()>>(std::move(body));
    const int error = pthread_create(&thread_, &attributes, run, owned.get());
    pthread_attr_destroy(&attributes);
    if (error != 0) return ::atrium::fail(from_errno(error, "start a thread"));
    owned.release();
    pthread_setname_np(thread_, name);
    running_ = true;
    return {};
}

void WorkerThread::join() {
    if (running_) pthread_join(thread_, nullptr);
    running_ = false;
}

}  // namespace atrium::model
