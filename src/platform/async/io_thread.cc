#include "platform/async/io_thread.h"

#include "base/check.h"

namespace asio = boost::asio;

namespace atrium {

SteadyTime deadline_after(std::chrono::nanoseconds duration) {
    const SteadyTime now = std::chrono::steady_clock::now();
    return duration >= kNever - now ? kNever : now + duration;
}

void Deadline::set(SteadyTime at) {
    at_ = at;
    if (at == kNever || (is_linked() && linked_at_ <= at)) return;
    if (is_linked()) unlink();
    linked_at_ = at;
    thread_.deadlines_.insert(*this);
    thread_.arm(at);
}

Pause::Pause(IoThread& thread)
    : thread_(thread),
      deadline_(
          thread,
          [](void* self) {
              auto* pause = static_cast<Pause*>(self);
              pause->timed_out_ = true;
              pause->wake();
          },
          this) {}

Task<> Pause::wait(SteadyTime deadline) {
    // The initiation runs when the task has been suspended, so nothing can wake it before it sleeps.
    return asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
        [this, deadline](auto resume) {
            CHECK(!resume_);
            resume_.emplace(std::move(resume));
            timed_out_ = false;
            thread_.parked_.push_back(*this);
            deadline_.set(deadline);
        },
        asio::use_awaitable_t<Executor>());
}

void Pause::wake() {
    if (!resume_) return;
    Resume resume = std::move(*resume_);
    resume_.reset();
    unlink();
    deadline_.clear();
    std::move(resume)();
    // `this` may be gone: the task that owned it has run on.
}

IoThread::IoThread(asio::execution_context& context)
    : service(context),
      context_(static_cast<asio::io_context&>(context)),
      address_(std::make_shared<Address>(context_)),
      timer_(context_) {}

IoThread::~IoThread() = default;

void IoThread::shutdown() {
    {
        std::scoped_lock lock(address_->mutex_);
        address_->context_ = nullptr;
    }
    // A parked task owns the Pause that holds its resumption: somebody has to break that circle, or neither is freed.
    while (!parked_.empty()) {
        Pause& pause = parked_.front();
        parked_.pop_front();
        Pause::Resume abandoned = std::move(*pause.resume_);
        pause.resume_.reset();
    }
    locals_.clear();
}

void IoThread::arm(SteadyTime at) {
    if (at >= timer_at_) return;
    timer_at_ = at;
    timer_.expires_at(at);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error != asio::error::operation_aborted) fire();
    });
}

void IoThread::fire() {
    timer_at_ = kNever;
    const SteadyTime now = std::chrono::steady_clock::now();
    // A callback may destroy any other entry: start from the front each time.
    while (!deadlines_.empty() && deadlines_.begin()->linked_at_ <= now) {
        Deadline& due = *deadlines_.begin();
        due.unlink();
        if (due.at_ <= now) {
            due.at_ = kNever;
            due.callback_(due.owner_);
        } else if (due.at_ != kNever) {
            due.linked_at_ = due.at_;
            deadlines_.insert(due);
        }
    }
    if (!deadlines_.empty()) arm(deadlines_.begin()->linked_at_);
}

}  // namespace atrium
