#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace atrium::model {

using RequestId = std::uint64_t;

/// Who waits, and whose turn it is: first come first served within a tenant, round robin between tenants, so a tenant
/// with a thousand waiting requests delays another by one of its own. Not thread-safe; owned by the Scheduler.
class FairQueue {
public:
    void push_back(const std::string& tenant, RequestId id);
    /// For a request that has run already and was set aside: the next of its tenant.
    void push_front(const std::string& tenant, RequestId id);
    /// False when it does not wait here.
    bool erase(const std::string& tenant, RequestId id);

    std::size_t size() const { return size_; }
    std::size_t size(std::string_view tenant) const;
    bool empty() const { return size_ == 0; }

    enum class Verdict {
        kTake,  ///< leaves the queue; its tenant has had its turn
        kSkip,  ///< not now; ask the next tenant
        kStop,  ///< not now, and nobody overtakes it
    };
    /// Offers the first request of each tenant once, beginning with the tenant whose turn it is, until one is taken.
    /// Whether one was.
    bool offer(const std::function<Verdict(RequestId)>& judge);

private:
    std::map<std::string, std::deque<RequestId>, std::less<>> waiting_;  // no empty lists
    std::string turn_;  // the first tenant not before this name (wrapping) is next
    std::size_t size_ = 0;
};

}  // namespace atrium::model
