#include "model/engine/scheduler/fair_queue.h"

#include <algorithm>

namespace atrium::model {

void FairQueue::push_back(const std::string& tenant, RequestId id) {
    waiting_[tenant].push_back(id);
    ++size_;
}

void FairQueue::push_front(const std::string& tenant, RequestId id) {
    waiting_[tenant].push_front(id);
    ++size_;
}

bool FairQueue::erase(const std::string& tenant, RequestId id) {
    const auto list = waiting_.find(tenant);
    if (list == waiting_.end()) return false;
    const auto found = std::ranges::find(list->second, id);
    if (found == list->second.end()) return false;
    list->second.erase(found);
    if (list->second.empty()) waiting_.erase(list);
    --size_;
    return true;
}

std::size_t FairQueue::size(std::string_view tenant) const {
    const auto list = waiting_.find(tenant);
    return list == waiting_.end() ? 0 : list->second.size();
}

bool FairQueue::offer(const std::function<Verdict(RequestId)>& judge) {
    auto list = waiting_.lower_bound(turn_);
    for (std::size_t asked = 0, tenants = waiting_.size(); asked < tenants; ++asked) {
        if (list == waiting_.end()) list = waiting_.begin();
        const Verdict verdict = judge(list->second.front());
        if (verdict == Verdict::kStop) return false;
        if (verdict == Verdict::kTake) {
            turn_ = list->first + '\0';  // the smallest name after this one
            list->second.pop_front();
            if (list->second.empty()) waiting_.erase(list);
            --size_;
            return true;
        }
        ++list;
    }
    return false;
}

}  // namespace atrium::model
