#include "security/audit/hash_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "security/crypto/crypto.h"

namespace atrium::audit {
namespace {

void write(std::string& out, const json::value& value);

void write(std::string& out, const json::object& object) {
    std::vector<const json::object::value_type*> members;
    for (const auto& member : object) members.push_back(&member);
    std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->key()); });
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (i > 0) out += ',';
        out += json::serialize(json::value(members[i]->key()));
        out += ':';
        write(out, members[i]->value());
    }
    out += '}';
}

void write(std::string& out, const json::value& value) {
    if (const auto* object = value.if_object()) return write(out, *object);
    const auto* array = value.if_array();
    if (array == nullptr) {
        out += json::serialize(value);
        return;
    }
    out += '[';
    for (std::size_t i = 0; i < array->size(); ++i) {
        if (i > 0) out += ',';
        write(out, (*array)[i]);
    }
    out += ']';
}

}  // namespace

std::string canonical_json(const json::value& value) {
    std::string out;
    write(out, value);
    return out;
}

std::string chain_hash(std::string_view previous_hash, std::int64_t number, std::string_view record) {
    return crypto::sha256_hex(fmt::format("{}\n{}\n{}", previous_hash, number, record));
}

Result<> ChainVerifier::add(const Link& link) {
    const auto expected = count_ + 1;
    if (link.number != expected) {
        return fail(data_loss(fmt::format("audit record {} is missing: {} follows {}", expected, link.number, count_)));
    }
    if (link.previous_hash != head_) {
        return fail(data_loss(fmt::format("audit record {} does not follow the one before it", link.number)));
    }
    if (chain_hash(link.previous_hash, link.number, link.record) != link.hash) {
        return fail(data_loss(fmt::format("audit record {} was changed after it was written", link.number)));
    }
    count_ = link.number;
    head_ = link.hash;
    return {};
}

Result<> ChainVerifier::finish(std::int64_t number, std::string_view hash) const {
    if (count_ == number && head_ == hash) return {};
    if (count_ < number) {
        return fail(data_loss(fmt::format("audit records {} to {} are missing at the end", count_ + 1, number)));
    }
    return fail(
        data_loss(fmt::format("the audit log ends with record {}, but {} was the last one written", count_, number)));
}

}  // namespace atrium::audit
