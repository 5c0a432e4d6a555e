#pragma once

#include <span>

namespace atrium {

/// Unpredictable bytes for public identifiers (request, trace and span ids), from a buffer per thread that the kernel
/// refills: one system call in dozens of ids. Secrets are made with the kernel's bytes directly (security/crypto).
void fill_random(std::span<unsigned char> out);

}  // namespace atrium
