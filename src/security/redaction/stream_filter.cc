#include "security/redaction/stream_filter.h"

#include <algorithm>

namespace atrium::redaction {
namespace {

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u;
}

}  // namespace

std::vector<Finding> StreamFilter::find_in_held() const {
    if (before_ == '\0') return scanner_->find(held_);
    auto found = scanner_->find(before_ + held_);
    std::erase_if(found, [](const Finding& finding) { return finding.begin == 0; });
    for (auto& finding : found) {
        --finding.begin;
        --finding.end;
    }
    return found;
}

StreamFilter::Piece StreamFilter::feed(std::string_view text) {
    held_ += text;
    if (held_.size() <= Scanner::kReach) return {};
    auto findings = find_in_held();
    // Nothing that begins before this point can still grow or appear.
    std::size_t upto = held_.size() - Scanner::kReach;
    // From the last to the first: what lies across the point moves it, perhaps into an earlier one of another rule.
    for (auto finding = findings.rbegin(); finding != findings.rend(); ++finding) {
        if (finding->begin < upto && finding->end > upto) upto = finding->begin;
    }
    while (upto > 0 && continues_character(held_[upto])) --upto;
    return release(upto, std::move(findings));
}

StreamFilter::Piece StreamFilter::finish() {
    return release(held_.size(), find_in_held());
}

StreamFilter::Piece StreamFilter::release(std::size_t upto, std::vector<Finding> findings) {
    std::erase_if(findings, [&](const Finding& finding) { return finding.end > upto; });
    Piece piece{held_.substr(0, upto), std::move(findings)};
    if (upto > 0) before_ = held_[upto - 1];
    held_.erase(0, upto);
    return piece;
}

}  // namespace atrium::redaction
