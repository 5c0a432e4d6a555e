// How often the right paragraph comes back for a question, and how fast: chunker, analyzer and BM25 index in this process,
// on question answering sets in the SQuAD 1.1 JSON layout (SQuAD dev, CMRC 2018 dev …). For tuning the analyzer; what a
// whole server achieves, dense and hybrid, is measured over its API.
//
//   retrieval_quality FILE.json… [--chunks] [--no-titles] [--questions N]
//
// Prints one JSON object per file. A paragraph is found when one of its chunks is. With --chunks, only a chunk that
// contains the gold answer counts.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <set>

#include "base/json.h"
#include "data/documents/chunker.h"
#include "data/lexical/lexical_index.h"

namespace atrium {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Passage {
    std::string title;
    std::string text;
    std::size_t paragraph;
};

struct Question {
    std::string text;
    std::vector<std::string> answers;
    std::size_t paragraph;
};

struct Corpus {
    std::vector<Passage> passages;  // the key of a passage is its position
    std::vector<Question> questions;
    std::size_t paragraphs = 0;
};

struct Options {
    std::vector<std::string> files;
    bool chunks = false;
    std::size_t max_questions = std::numeric_limits<std::size_t>::max();
    bool titles = true;
};

Result<std::string> read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(not_found("cannot open " + path));
    return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<Corpus> load(const std::string& path) {
    TRY_ASSIGN(const auto bytes, read_text(path));
    TRY_ASSIGN(const auto root, json::parse_object(bytes));
    Corpus corpus;
    for (const auto& article : root.at("data").as_array()) {
        std::string title(json::string_or(article.as_object(), "title"));
        std::replace(title.begin(), title.end(), '_', ' ');
        for (const auto& paragraph : article.at("paragraphs").as_array()) {
            data::ParsedDocument document;
            document.blocks.push_back({data::BlockKind::kParagraph, std::string(paragraph.at("context").as_string()), 0, 0});
            for (auto& chunk : data::chunk_document(document, {})) {
                corpus.passages.push_back({title, std::move(chunk.text), corpus.paragraphs});
            }
            for (const auto& qa : paragraph.at("qas").as_array()) {
                Question question{std::string(qa.at("question").as_string()), {}, corpus.paragraphs};
                for (const auto& answer : qa.at("answers").as_array()) question.answers.emplace_back(answer.at("text").as_string());
                corpus.questions.push_back(std::move(question));
            }
            ++corpus.paragraphs;
        }
    }
    return corpus;
}

/// Recall at 1, 5, 10 and mean reciprocal rank.
class Score {
public:
    Score(const Corpus& corpus, bool chunks) : corpus_(corpus), chunks_(chunks) {}

    void add(const Question& question, const std::vector<std::uint64_t>& ranking) {
        ++questions_;
        std::set<std::size_t> seen;  // several chunks of a paragraph take one place
        for (std::size_t i = 0; i < ranking.size(); ++i) {
            const Passage& passage = corpus_.passages[ranking[i]];
            seen.insert(passage.paragraph);
            const std::size_t rank = chunks_ ? i + 1 : seen.size();
            if (passage.paragraph != question.paragraph) continue;
            const bool holds = std::any_of(question.answers.begin(), question.answers.end(), [&](const std::string& answer) {
                return passage.text.find(answer) != std::string::npos;
            });
            if (chunks_ && !holds) continue;
            reciprocal_ += 1.0 / static_cast<double>(rank);
            at1_ += rank <= 1;
            at5_ += rank <= 5;
            at10_ += rank <= 10;
            return;
        }
    }

    void print(const std::string& file, std::string_view retriever, double microseconds) const {
        const double n = static_cast<double>(std::max<std::size_t>(questions_, 1));
        fmt::print("{{\"file\":\"{}\",\"retriever\":\"{}\",\"paragraphs\":{},\"passages\":{},\"questions\":{},"
                   "\"recall_at_1\":{:.4f},\"recall_at_5\":{:.4f},\"recall_at_10\":{:.4f},\"mrr\":{:.4f},\"us_per_query\":{:.1f}}}\n",
                   file.substr(file.rfind('/') + 1), retriever, corpus_.paragraphs, corpus_.passages.size(), questions_,
                   at1_ / n, at5_ / n, at10_ / n, reciprocal_ / n, microseconds);
        std::cout.flush();
    }

private:
    const Corpus& corpus_;
    bool chunks_;
    std::size_t questions_ = 0;
    double at1_ = 0;
    double at5_ = 0;
    double at10_ = 0;
    double reciprocal_ = 0;
};

template <class Hits>
std::vector<std::uint64_t> keys_of(const Hits& hits) {
    std::vector<std::uint64_t> keys;
    for (const auto& hit : hits) keys.push_back(hit.key);
    return keys;
}

constexpr std::size_t kDepth = 50;

void measure_lexical(const std::string& file, const Corpus& corpus, const Options& options, const data::LexicalIndex& index) {
    Score score(corpus, options.chunks);
    SteadyClock::duration spent{};
    const std::size_t count = std::min(corpus.questions.size(), options.max_questions);
    for (std::size_t i = 0; i < count; ++i) {
        const auto start = SteadyClock::now();
        const auto hits = index.search(corpus.questions[i].text, kDepth);
        spent += SteadyClock::now() - start;
        score.add(corpus.questions[i], keys_of(hits));
    }
    score.print(file, "bm25", std::chrono::duration<double, std::micro>(spent).count() / static_cast<double>(std::max<std::size_t>(count, 1)));
}

Result<> measure(const std::string& file, const Options& options) {
    TRY_ASSIGN(const Corpus corpus, load(file));
    auto lexical = data::make_bm25_index();
    const auto start = SteadyClock::now();
    for (std::size_t i = 0; i < corpus.passages.size(); ++i) {
        lexical->upsert(i, options.titles ? corpus.passages[i].title : "", corpus.passages[i].text);
    }
    fmt::print(stderr, "{}: indexed in {:.2f} s\n", file, std::chrono::duration<double>(SteadyClock::now() - start).count());
    measure_lexical(file, corpus, options, *lexical);
    return {};
}

Result<Options> parse_arguments(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
        if (argument == "--chunks") options.chunks = true;
        else if (argument == "--questions") options.max_questions = std::stoul(value());
        else if (argument == "--no-titles") options.titles = false;
        else if (argument.starts_with("--")) return fail(invalid_argument(fmt::format("unknown option {}", argument)));
        else options.files.emplace_back(argument);
    }
    if (options.files.empty()) return fail(invalid_argument("usage: retrieval_quality FILE.json… [--chunks] [--no-titles] [--questions N]"));
    return options;
}

}  // namespace
}  // namespace atrium

int main(int argc, char** argv) {
    const auto options = atrium::parse_arguments(argc, argv);
    if (!options) {
        fmt::print(stderr, "{}\n", options.error().message());
        return 2;
    }
    for (const auto& file : options->files) {
        if (const auto done = atrium::measure(file, *options); !done) {
            fmt::print(stderr, "{}: {}\n", file, done.error().message());
            return 1;
        }
    }
    return 0;
}
