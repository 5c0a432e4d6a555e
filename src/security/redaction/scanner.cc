#include "security/redaction/scanner.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "security/redaction/entities.h"

namespace atrium::redaction {
namespace {

constexpr std::int64_t kMaxProgram = 16 << 20;

bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

struct Search {
    std::unique_ptr<re2::RE2> expression;
    std::string_view kind;
    std::size_t rule = 0;
    bool (*is_valid)(std::string_view) = nullptr;
    bool stands_alone = false;

    bool accepts(std::string_view text, std::size_t begin, std::size_t end) const {
        if (stands_alone) {
            if (begin > 0 && is_word(text[begin - 1]) && is_word(text[begin])) return false;
            if (end < text.size() && is_word(text[end]) && is_word(text[end - 1])) return false;
        }
        return is_valid == nullptr || is_valid(text.substr(begin, end - begin));
    }
};

Result<std::unique_ptr<re2::RE2>> compile_one(const std::string& expression, bool case_sensitive) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(case_sensitive);
    options.set_max_mem(kMaxProgram);
    auto made = std::make_unique<re2::RE2>(expression, options);
    if (!made->ok()) return fail(invalid_argument(fmt::format("the expression is not valid: {}", made->error())));
    if (re2::RE2::FullMatch("", *made)) return fail(invalid_argument("the expression must not match the empty text"));
    return made;
}

/// One expression for all keywords; words of letters have to stand alone, "公司机密" may stand anywhere.
Result<std::string> keyword_expression(const std::vector<std::string>& keywords) {
    if (keywords.size() > Scanner::kMaxKeywords)
        return fail(invalid_argument(fmt::format("at most {} keywords are allowed", Scanner::kMaxKeywords)));
    std::string all;
    for (const auto& keyword : keywords) {
        const auto word = text::trim(keyword);
        if (word.empty() || word.size() > Scanner::kReach)
            return fail(invalid_argument(fmt::format("a keyword must have 1 to {} bytes", Scanner::kReach)));
        all += all.empty() ? "" : "|";
        all += is_word(word.front()) ? "\\b" : "";
        all += re2::RE2::QuoteMeta(std::string(word));
        all += is_word(word.back()) ? "\\b" : "";
    }
    return all;
}

Result<const Entity*> known_entity(const std::string& name) {
    const Entity* entity = find_entity(name);
    if (entity != nullptr) return entity;
    std::vector<std::string_view> names;
    for (const auto& known : entities()) names.push_back(known.name);
    const auto near = text::closest(name, names);
    return fail(invalid_argument(
        fmt::format("unknown entity '{}'{}", name, near ? fmt::format(", did you mean '{}'?", *near) : "")));
}

Result<> add_searches(const Patterns& patterns, std::size_t rule, std::vector<Search>& searches) {
    const auto before = searches.size();
    for (const auto& name : patterns.entities) {
        TRY_ASSIGN(const Entity* entity, known_entity(name));
        TRY_ASSIGN(auto expression, compile_one(std::string(entity->expression), true));
        searches.push_back({std::move(expression), entity->name, rule, entity->is_valid, entity->stands_alone});
    }
    if (!patterns.keywords.empty()) {
        TRY_ASSIGN(const auto words, keyword_expression(patterns.keywords));
        TRY_ASSIGN(auto expression, compile_one(words, false));
        searches.push_back({std::move(expression), "keyword", rule});
    }
    if (!patterns.expression.empty()) {
        if (patterns.expression.size() > Scanner::kMaxExpression) {
            return fail(
                invalid_argument(fmt::format("the expression is longer than {} bytes", Scanner::kMaxExpression)));
        }
        TRY_ASSIGN(auto expression, compile_one(patterns.expression, true));
        searches.push_back({std::move(expression), "expression", rule});
    }
    if (searches.size() == before) return fail(invalid_argument("needs entities, keywords or an expression"));
    return {};
}

bool comes_first(const Finding& a, const Finding& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
}

}  // namespace

struct Scanner::State {
    std::vector<Search> searches;

    void find_all(const Search& search, std::string_view text, std::vector<Finding>& findings) const {
        std::size_t at = 0;
        re2::StringPiece match;
        const re2::StringPiece whole(text.data(), text.size());
        while (at < text.size() &&
               search.expression->Match(whole, at, text.size(), re2::RE2::UNANCHORED, &match, 1) && !match.empty()) {
            const auto begin = static_cast<std::size_t>(match.data() - text.data());
            const std::size_t end = begin + std::min(match.size(), kReach);
            if (search.accepts(text, begin, end)) {
                findings.push_back({begin, end, search.kind, search.rule});
                at = end;
            } else {
                // What was refused as a whole may hold a smaller one that stands alone.
                at = begin + 1;
            }
        }
    }
};

Scanner::Scanner(std::unique_ptr<State> state) : state_(std::move(state)) {}
Scanner::~Scanner() = default;

Result<std::shared_ptr<const Scanner>> Scanner::compile(const std::vector<Patterns>& rules) {
    auto state = std::make_unique<State>();
    for (std::size_t i = 0; i < rules.size(); ++i) TRY(add_searches(rules[i], i, state->searches));
    return std::shared_ptr<const Scanner>(new Scanner(std::move(state)));
}

std::vector<Finding> Scanner::find(std::string_view text) const {
    std::vector<Finding> all;
    for (const auto& search : state_->searches) state_->find_all(search, text, all);
    std::ranges::sort(all, comes_first);
    std::vector<Finding> chosen;
    for (const auto& finding : all) {
        const auto hidden = [&](const Finding& other) {
            return other.rule == finding.rule && other.end > finding.begin;
        };
        if (std::ranges::none_of(chosen, hidden)) chosen.push_back(finding);
    }
    return chosen;
}

std::string masked(std::string_view text, const std::vector<Finding>& findings, std::string_view replacement) {
    std::string out;
    std::size_t at = 0;
    for (const auto& finding : findings) {
        if (finding.begin < at) {
            at = std::max(at, finding.end);
            continue;
        }
        out += text.substr(at, finding.begin - at);
        if (replacement.empty()) {
            out += '<';
            for (const char c : finding.kind) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
            out += '>';
        } else {
            out += replacement;
        }
        at = finding.end;
    }
    out += text.substr(at);
    return out;
}

}  // namespace atrium::redaction
