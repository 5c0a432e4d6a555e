#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/engine/backend.h"

namespace atrium::model {

/// One thing to do to the KV cache before the next step, in order.
struct KvOperation {
    enum class Kind { kRemove, kCopy } kind = Kind::kRemove;
    SequenceId sequence = 0;  ///< remove from; copy to
    SequenceId source = 0;    ///< copy from
    std::int32_t length = 0;  ///< positions that stay (remove) or are shared (copy)
    bool operator==(const KvOperation&) const = default;
};

/// A leading part of a prompt that some sequence holds already.
struct PrefixMatch {
    SequenceId sequence = 0;
    int length = 0;
    bool whole = false;  ///< an idle sequence that is entirely the beginning of the prompt
};

/// Which sequence holds what: ids in use, and finished sequences kept as prefixes for later prompts. Idle ones give way,
/// least recently used first. Cells shared by two sequences count twice, so the real cache is never fuller than the
/// ledger says. A prefix is found only by the tenant that computed it: otherwise the response time would tell one tenant
/// what another asked. Not thread-safe; owned by the Scheduler.
class KvLedger {
public:
    KvLedger(int cells, int sequence_ids, bool share_prefixes);

    int cells() const { return cells_; }
    int idle_cells() const { return idle_cells_; }
    std::size_t idle_count() const { return idle_.size(); }
    bool shares() const { return share_; }

    /// The longest idle prefix of `prompt` for this tenant; at most prompt.size() - 1, since the last token has to be
    /// computed for its logits.
    PrefixMatch find(const std::string& tenant, std::span<const Token> prompt) const;

    /// An unused id; evicts an idle sequence other than `keep` when none is left.
    std::optional<SequenceId> take_id(std::optional<SequenceId> keep);
    /// Makes an idle sequence active again.
    void claim(SequenceId sequence);
    /// A finished sequence: kept as a prefix when that can pay, else removed.
    void release(SequenceId sequence, const std::string& tenant, std::vector<Token> held);
    /// Removes an active sequence at once.
    void drop(SequenceId sequence);
    /// Evicts idle sequences other than `keep` until at most `limit` idle cells are left.
    void shrink_idle(int limit, std::optional<SequenceId> keep);
    void touch(SequenceId sequence);

    /// Operations since the last call.
    std::vector<KvOperation> take_operations();
    void add_operation(KvOperation operation) { operations_.push_back(operation); }

private:
    struct Idle {
        SequenceId sequence = 0;
        std::string tenant;
        std::vector<Token> tokens;
    };
    void evict(std::list<Idle>::iterator idle);

    int cells_;
    bool share_;
    std::vector<SequenceId> free_;
    std::list<Idle> idle_;  // least recently used first
    int idle_cells_ = 0;
    std::vector<KvOperation> operations_;
};

/// Length of the common beginning.
int common_prefix(std::span<const Token> a, std::span<const Token> b);

}  // namespace atrium::model
