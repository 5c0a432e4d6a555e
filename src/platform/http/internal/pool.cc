#include "platform/http/internal/pool.h"

#include <algorithm>

namespace atrium::http::internal {

Pool::Idle::Idle(Pool& p, const std::string& o, std::unique_ptr<Channel> c)
    : pool(p),
      origin(o),
      channel(std::move(c)),
      expiry(
          p.thread_,
          [](void* self) {
              auto* idle = static_cast<Idle*>(self);
              idle->pool.drop(idle);
          },
          this) {
    channel->wire().on_gone(
        [](void* self) {
            auto* idle = static_cast<Idle*>(self);
            idle->pool.drop(idle);
        },
        this);
    channel->wire().shrink();
    channel->prefetch();
    expiry.set(deadline_after(p.idle_timeout_));
}

std::unique_ptr<Channel> Pool::take(const std::string& origin) {
    const auto found = idle_.find(origin);
    if (found == idle_.end()) return nullptr;
    auto& list = found->second;
    std::unique_ptr<Channel> channel;
    while (!list.empty() && !channel) {
        const std::unique_ptr<Idle> last = std::move(list.back());
        list.pop_back();
        last->channel->wire().on_gone(nullptr, nullptr);
        if (last->channel->reusable()) channel = std::move(last->channel);
    }
    if (list.empty()) idle_.erase(found);
    return channel;
}

void Pool::put(const std::string& origin, std::unique_ptr<Channel> channel) {
    if (max_idle_ == 0 || !channel->reusable()) return;
    auto& list = idle_[origin];
    if (list.size() >= max_idle_) return;
    list.push_back(std::make_unique<Idle>(*this, origin, std::move(channel)));
}

void Pool::drop(Idle* idle) {
    const auto found = idle_.find(idle->origin);
    if (found == idle_.end()) return;
    auto& list = found->second;
    std::erase_if(list, [idle](const std::unique_ptr<Idle>& other) { return other.get() == idle; });
    if (list.empty()) idle_.erase(found);
}

}  // namespace atrium::http::internal
