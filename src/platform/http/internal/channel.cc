#include "platform/http/internal/channel.h"

#include <algorithm>

namespace atrium::http::internal {
namespace {

constexpr std::size_t kEncryptAtOnce = 64 * 1024;
constexpr std::chrono::seconds kAnswerGap{10};
using Step = tls::ClientSession::Step;

}  // namespace

Task<Result<>> Channel::start_tls(std::shared_ptr<const tls::Trust> trust, std::string host, SteadyTime deadline) {
    tls_ = std::make_unique<tls::ClientSession>(std::move(trust), host);
    while (true) {
        const Step step = tls_->handshake();
        const auto left = std::max<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now(),
                                                             std::chrono::nanoseconds(0));
        Io io = co_await flush(left);
        if (step == Step::kDone && io == Io::kOk) co_return Result<>();
        if (step == Step::kFailed) co_return fail(unavailable("cannot speak to '" + host + "': " + tls_->problem()));
        if (io == Io::kOk && step == Step::kWantInput) {
            if (wire_->input().empty()) io = co_await wire_->wait_input(deadline);
            tls_->feed(wire_->input());
            wire_->consume(wire_->input().size());
        }
        if (io == Io::kTimedOut)
            co_return fail(deadline_exceeded("the TLS handshake with '" + host + "' took too long"));
        if (io == Io::kStopped) co_return fail(cancelled("the request was stopped"));
        if (io != Io::kOk || step == Step::kClosed) {
            co_return fail(unavailable("'" + host + "' closed the connection during the TLS handshake"));
        }
    }
}

std::string_view Channel::input() const {
    return tls_ ? std::string_view(plain_).substr(plain_at_) : wire_->input();
}

void Channel::consume(std::size_t bytes) {
    if (!tls_) return wire_->consume(bytes);
    plain_at_ += bytes;
    if (plain_at_ >= plain_.size()) {
        plain_.clear();
        plain_at_ = 0;
    }
}

Task<Io> Channel::wait_input(SteadyTime deadline) {
    if (!tls_) co_return co_await wire_->wait_input(deadline);
    const std::size_t before = plain_.size();
    while (true) {
        tls_->feed(wire_->input());
        wire_->consume(wire_->input().size());
        const Step step = tls_->read(plain_);
        if (plain_.size() > before) co_return Io::kOk;
        if (step == Step::kClosed) closed_by_peer_ = true;
        if (step != Step::kWantInput) co_return Io::kClosed;
        // Reading may call for an answer, such as new keys.
        Io io = co_await flush(kAnswerGap);
        if (io == Io::kOk) io = co_await wire_->wait_input(deadline);
        if (io != Io::kOk) co_return io;
    }
}

Task<Io> Channel::write(std::span<iovec>& pieces, std::chrono::nanoseconds gap) {
    if (!tls_) co_return co_await wire_->write(pieces, gap, true);
    // Over TLS early input need not be an answer (session tickets), so nothing is cut short.
    for (; !pieces.empty(); pieces = pieces.subspan(1)) {
        std::string_view rest(static_cast<const char*>(pieces.front().iov_base), pieces.front().iov_len);
        while (!rest.empty()) {
            const std::string_view part = rest.substr(0, kEncryptAtOnce);
            rest.remove_prefix(part.size());
            if (tls_->write(part) != Step::kDone) co_return Io::kClosed;
            const Io io = co_await flush(gap);
            if (io != Io::kOk) co_return io;
        }
    }
    co_return Io::kOk;
}

Task<Io> Channel::flush(std::chrono::nanoseconds gap) {
    std::string out = tls_->take_output();
    if (out.empty()) co_return Io::kOk;
    iovec piece{out.data(), out.size()};
    std::span<iovec> pieces(&piece, 1);
    co_return co_await wire_->write(pieces, gap);
}

bool Channel::reusable() const {
    // TLS may deliver session tickets at any time; they are looked at with the next response.
    return !wire_->ended() && !wire_->closed() && !wire_->interrupted() && plain_.empty() &&
           (tls_ || wire_->input().empty());
}

void Channel::close() {
    if (tls_ && !wire_->closed()) {
        tls_->close();
        std::string out = tls_->take_output();
        iovec piece{out.data(), out.size()};
        std::span<iovec> pieces(&piece, 1);
        if (!out.empty()) (void)wire_->try_write(pieces);
    }
    wire_->close();
}

}  // namespace atrium::http::internal
