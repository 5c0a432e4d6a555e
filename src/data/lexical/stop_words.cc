#include <boost/unordered/unordered_flat_set.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "data/lexical/analyzer.h"
#include "data/lexical/internal/tokenizer.h"

namespace atrium::data {
namespace {

// Function words only: a word that can be the subject of a question ("will", "can" as nouns aside) stays searchable.
constexpr std::string_view kEnglish =
    "a an the this that these those i me my we our you your he him his she her it its they them their who whom whose "
    "which what where when why how am is are was were be been being have has had having do does did doing done will "
    "would shall should can could may might must and or but nor if then else than so because as until while of at by "
    "for with about against between into through during before after above below to from up down in out on off over "
    "under again there here all any both each few more most other some such no not only own same too very just also "
    "however therefore thus it's that's what's who's there's don't doesn't didn't isn't aren't wasn't weren't "
    "can't couldn't won't wouldn't shouldn't haven't hasn't hadn't many much according tell please let";

constexpr std::string_view kChinese =
    "的 地 得 了 着 过 是 在 有 和 与 及 或 而 且 但 也 都 就 还 又 很 被 把 对 从 到 以 于 为 由 向 之 其 此 该 这 那 哪 "
    "谁 吗 呢 吧 啊 我 你 您 他 她 它 们 个 些 什 么 怎 请 问 所 等 "
    "什么 怎么 怎样 怎么样 如何 哪个 哪些 哪里 哪儿 哪年 哪一 哪一年 多少 几个 为什么 为何 是否 是什么 有什么 有哪些 请问 "
    "是不是 有没有 这个 那个 这些 那些 这里 那里 我们 你们 他们 她们 它们 以及 并且 而且 但是 因为 所以 如果 可以 "
    "进行 其中 一个 一种 一些 没有 不是 就是 还是 或者 关于 对于 由于 通过 根据 什么样 什么时候 几点 几年 几月 几天 几次 几种 "
    "么是 是谁 是哪 的是 了什 是多 的什 么样 么时 有什 于什 是在 在什 为什 是怎 是如 何时";

struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
};
using StopSet = boost::unordered_flat_set<std::string, Hash, std::equal_to<>>;

StopSet build() {
    StopSet words;
    for (const std::string_view list : {kEnglish, kChinese}) {
        std::size_t start = 0;
        while (start < list.size()) {
            const std::size_t end = list.find(' ', start);
            const std::string_view word = list.substr(start, end - start);
            if (!word.empty()) {
                words.emplace(word);
                // The index holds stems, so the list does too. Only whole words: the parts of "为什么" are not stop words.
                const auto tokens = internal::tokenize(word);
                if (tokens.size() == 1) words.insert(tokens.front().term);
            }
            if (end == std::string_view::npos) break;
            start = end + 1;
        }
    }
    return words;
}

}  // namespace

bool is_stop_word(std::string_view term) {
    static const StopSet words = build();
    return words.contains(term);
}

}  // namespace atrium::data
