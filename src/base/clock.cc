#include "base/clock.h"

namespace atrium {
namespace {

class MachineClock final : public Clock {
public:
    SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
    SystemTime system() const override { return std::chrono::system_clock::now(); }
};

}  // namespace

const Clock& system_clock() {
    static const MachineClock clock;
    return clock;
}

}  // namespace atrium
