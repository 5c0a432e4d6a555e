#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

/// What mock and load generator share: plain sockets and epoll, so that they cost little and owe nothing to the code
/// they measure.
namespace bench {

using Nanoseconds = std::int64_t;

inline Nanoseconds now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

inline double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

inline sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline void no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

[[noreturn]] inline void die(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", what.c_str(), errno != 0 ? std::strerror(errno) : "");
    std::exit(1);
}

/// `--name value` pairs.
class Options {
public:
    Options(int argc, char** argv) {
        for (int i = 1; i + 1 < argc; i += 2) {
            if (std::string_view(argv[i]).substr(0, 2) != "--") die(std::string("not an option: ") + argv[i]);
            values_[argv[i] + 2] = argv[i + 1];
        }
    }
    std::string text(const std::string& name, const std::string& fallback = {}) const {
        const auto found = values_.find(name);
        return found == values_.end() ? fallback : found->second;
    }
    double number(const std::string& name, double fallback) const {
        const auto found = values_.find(name);
        return found == values_.end() ? fallback : std::stod(found->second);
    }
    int integer(const std::string& name, int fallback) const { return static_cast<int>(number(name, fallback)); }

private:
    std::map<std::string, std::string> values_;
};

/// Case-blind search for a header in a head; its trimmed value, or nothing.
inline std::string_view header(std::string_view head, std::string_view lower_name) {
    std::size_t line = head.find("\r\n");
    while (line != std::string_view::npos && line + 2 < head.size()) {
        const std::size_t begin = line + 2;
        line = head.find("\r\n", begin);
        const std::string_view field = head.substr(begin, line - begin);
        if (field.size() <= lower_name.size() || field[lower_name.size()] != ':') continue;
        bool same = true;
        for (std::size_t i = 0; same && i < lower_name.size(); ++i) same = (field[i] | 0x20) == lower_name[i];
        if (!same) continue;
        std::string_view value = field.substr(lower_name.size() + 1);
        while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        return value;
    }
    return {};
}

}  // namespace bench
