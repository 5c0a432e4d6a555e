#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "platform/async/task.h"

/// What one io thread owns beside its io_context: its deadlines, its parked tasks, its address for other threads.
/// Only platform/ includes this; everybody else uses runtime.h.
namespace atrium {

class IoThread;

inline constexpr SteadyTime kNever = SteadyTime::max();

/// `now + duration`, kNever where that would overflow.
SteadyTime deadline_after(std::chrono::nanoseconds duration);

/// A moment at which a callback runs on the io thread that owns it. Moving the moment later is free (the entry stays
/// where it is and is looked at again when it comes up), so a connection that sets a deadline per operation costs one
/// ordered insertion per half minute, not one timer per operation. Single-threaded; unlinks itself when destroyed.
class Deadline : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    using Callback = void (*)(void* owner);
    Deadline(IoThread& thread, Callback callback, void* owner) : thread_(thread), callback_(callback), owner_(owner) {}
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    void set(SteadyTime at);  ///< kNever: no deadline
    void clear() { at_ = kNever; }

    friend bool operator<(const Deadline& a, const Deadline& b) { return a.linked_at_ < b.linked_at_; }

private:
    friend class IoThread;
    IoThread& thread_;
    Callback callback_;
    void* owner_;
    SteadyTime at_ = kNever;
    SteadyTime linked_at_ = kNever;  ///< the place in the queue; never later than at_ while linked
};

/// Where one task sleeps until its own thread wakes it. A wait may also end without cause: look at the condition
/// again. Whoever wants to wake it from another thread posts to IoThread::Address first. Single-threaded.
class Pause : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    explicit Pause(IoThread& thread);
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

    /// Suspends the current task until wake() or the deadline. One task at a time.
    Task<> wait(SteadyTime deadline);
    /// Runs the waiting task, if any, inside this call: only from the top of a completion handler.
    void wake();
    bool waiting() const { return resume_.has_value(); }
    /// Whether the last wait ended by its deadline.
    bool timed_out() const { return timed_out_; }

private:
    friend class IoThread;
    using Executor = boost::asio::io_context::executor_type;
    using Resume = boost::asio::async_result<boost::asio::use_awaitable_t<Executor>, void()>::handler_type;

    IoThread& thread_;
    std::optional<Resume> resume_;
    Deadline deadline_;
    bool timed_out_ = false;
};

/// A service of each io_context, made on first use and destroyed with it. Single-threaded but for Address.
class IoThread final : public boost::asio::execution_context::service {
public:
    using key_type = IoThread;
    static inline boost::asio::execution_context::id id;

    explicit IoThread(boost::asio::execution_context& context);
    ~IoThread() override;
    static IoThread& of(boost::asio::io_context& context) { return boost::asio::use_service<IoThread>(context); }

    boost::asio::io_context& io_context() { return context_; }

    /// Reaches the thread from anywhere and at any time: after the io_context is gone, post() drops the work.
    class Address {
    public:
        explicit Address(boost::asio::io_context& context) : context_(&context) {}
        template <class Work>
        bool post(Work work) {
            std::scoped_lock lock(mutex_);
            if (!context_) return false;
            boost::asio::post(*context_, std::move(work));
            return true;
        }

    private:
        friend class IoThread;
        std::mutex mutex_;
        boost::asio::io_context* context_;
    };
    const std::shared_ptr<Address>& address() const { return address_; }

    /// An object per thread and owner (a connection pool, say); made by the owner, destroyed with the thread.
    std::shared_ptr<void>& local(std::uint64_t owner) { return locals_[owner]; }
    void drop_local(std::uint64_t owner) { locals_.erase(owner); }

private:
    friend class Deadline;
    friend class Pause;
    void shutdown() override;
    void arm(SteadyTime at);
    void fire();

    boost::asio::io_context& context_;
    std::shared_ptr<Address> address_;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>
        timer_;
    SteadyTime timer_at_ = kNever;
    boost::intrusive::multiset<Deadline, boost::intrusive::constant_time_size<false>> deadlines_;
    boost::intrusive::list<Pause, boost::intrusive::constant_time_size<false>> parked_;
    std::unordered_map<std::uint64_t, std::shared_ptr<void>> locals_;
};

}  // namespace atrium
