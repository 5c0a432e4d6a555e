#include "model/engine/scheduler/kv_ledger.h"

#include <algorithm>

namespace atrium::model {
namespace {

constexpr int kMinKept = 16;  // tokens; shorter prefixes cost more bookkeeping than they save

bool starts_with(std::span<const Token> longer, std::span<const Token> shorter) {
    return shorter.size() <= longer.size() && common_prefix(longer, shorter) == static_cast<int>(shorter.size());
}

}  // namespace

int common_prefix(std::span<const Token> a, std::span<const Token> b) {
    const std::size_t length = std::min(a.size(), b.size());
    return static_cast<int>(std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(length), b.begin()).first - a.begin());
}

KvLedger::KvLedger(int cells, int sequence_ids, bool share_prefixes) : cells_(cells), share_(share_prefixes) {
    for (SequenceId id = sequence_ids - 1; id >= 0; --id) free_.push_back(id);
}

PrefixMatch KvLedger::find(const std::string& tenant, std::span<const Token> prompt) const {
    PrefixMatch best;
    if (!share_ || prompt.empty()) return best;
    for (const Idle& idle : idle_) {
        if (idle.tenant != tenant) continue;
        const int length = common_prefix(prompt.first(prompt.size() - 1), idle.tokens);
        const bool whole = length == static_cast<int>(idle.tokens.size());
        if (length > best.length || (length == best.length && whole)) best = {idle.sequence, length, whole};
    }
    return best.length >= kMinKept ? best : PrefixMatch{};
}

std::optional<SequenceId> KvLedger::take_id(std::optional<SequenceId> keep) {
    if (free_.empty()) {
        const auto victim = std::ranges::find_if(idle_, [&](const Idle& idle) { return idle.sequence != keep; });
        if (victim == idle_.end()) return std::nullopt;
        evict(victim);
    }
    const SequenceId id = free_.back();
    free_.pop_back();
    return id;
}

void KvLedger::claim(SequenceId sequence) {
    const auto idle = std::ranges::find(idle_, sequence, &Idle::sequence);
    if (idle == idle_.end()) return;
    idle_cells_ -= static_cast<int>(idle->tokens.size());
    idle_.erase(idle);
}

void KvLedger::release(SequenceId sequence, const std::string& tenant, std::vector<Token> held) {
    const bool known = std::ranges::any_of(idle_, [&](const Idle& idle) { return idle.tenant == tenant && starts_with(idle.tokens, held); });
    if (!share_ || known || held.size() < static_cast<std::size_t>(kMinKept)) {
        drop(sequence);
        return;
    }
    for (auto idle = idle_.begin(); idle != idle_.end();) {
        const auto next = std::next(idle);
        if (idle->tenant == tenant && starts_with(held, idle->tokens)) evict(idle);
        idle = next;
    }
    idle_cells_ += static_cast<int>(held.size());
    idle_.push_back({sequence, tenant, std::move(held)});
}

void KvLedger::drop(SequenceId sequence) {
    operations_.push_back({KvOperation::Kind::kRemove, sequence, 0, 0});
    free_.push_back(sequence);
}

void KvLedger::shrink_idle(int limit, std::optional<SequenceId> keep) {
    for (auto idle = idle_.begin(); idle != idle_.end() && idle_cells_ > limit;) {
        const auto next = std::next(idle);
        if (idle->sequence != keep) evict(idle);
        idle = next;
    }
}

void KvLedger::touch(SequenceId sequence) {
    const auto idle = std::ranges::find(idle_, sequence, &Idle::sequence);
    if (idle != idle_.end()) idle_.splice(idle_.end(), idle_, idle);
}

std::vector<KvOperation> KvLedger::take_operations() { return std::exchange(operations_, {}); }

void KvLedger::evict(std::list<Idle>::iterator idle) {
    const SequenceId sequence = idle->sequence;
    idle_cells_ -= static_cast<int>(idle->tokens.size());
    idle_.erase(idle);
    drop(sequence);
}

}  // namespace atrium::model
