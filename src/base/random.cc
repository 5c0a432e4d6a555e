#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace atrium {

void fill_random(std::span<unsigned char> out) {
    thread_local std::array<unsigned char, 256> buffer;  // getrandom never returns less than up to 256 bytes
    thread_local std::size_t used = buffer.size();
    CHECK(out.size() <= buffer.size());
    if (buffer.size() - used < out.size()) {
        CHECK(::getrandom(buffer.data(), buffer.size(), 0) == static_cast<ssize_t>(buffer.size()));
        used = 0;
    }
    std::memcpy(out.data(), buffer.data() + used, out.size());
    used += out.size();
}

}  // namespace atrium
