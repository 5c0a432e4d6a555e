#include <ggml.h>
#include <gguf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/id.h"
#include "model/engine/llama/thread_governor.h"
#include "model/engine/module.h"

namespace atrium::model {
namespace {

namespace fs = std::filesystem;

fs::path third_party() { return ATRIUM_THIRD_PARTY_DIR; }

const ModuleEntry* module() {
    static const Result<const ModuleEntry*> entry = open_engine_module(ATRIUM_MODULE_FILE);
    EXPECT_TRUE(entry) << entry.error().to_string();
    return *entry;
}

/// A llama with random weights around a real vocabulary: 2 layers of width 64. The text is nonsense, everything else real.
class TinyModel {
public:
    TinyModel() {
        const fs::path vocabulary = third_party() / "llama/vocab/ggml-vocab-llama-spm.gguf";
        if (!fs::exists(vocabulary)) return;
        path_ = fs::temp_directory_path() / (new_id("atrium-tiny-") + ".gguf");
        write(vocabulary);
    }
    ~TinyModel() {
        if (!path_.empty()) fs::remove(path_);
    }
    const fs::path& path() const { return path_; }

private:
    void write(const fs::path& vocabulary) {
        ggml_init_params init{std::size_t{64} << 20, nullptr, false};
        ggml_context* tensors = ggml_init(init);
        gguf_init_params read{true, nullptr};
        gguf_context* gguf = gguf_init_from_file(vocabulary.c_str(), read);
        ASSERT_NE(gguf, nullptr);
        const auto tokens = static_cast<std::int64_t>(gguf_get_arr_n(gguf, gguf_find_key(gguf, "tokenizer.ggml.tokens")));
        constexpr std::int64_t kWidth = 64;
        constexpr std::int64_t kForward = 128;
        gguf_set_val_str(gguf, "general.architecture", "llama");
        gguf_set_val_u32(gguf, "llama.block_count", 2);
        gguf_set_val_u32(gguf, "llama.context_length", 512);
        gguf_set_val_u32(gguf, "llama.embedding_length", kWidth);
        gguf_set_val_u32(gguf, "llama.feed_forward_length", kForward);
        gguf_set_val_u32(gguf, "llama.attention.head_count", 4);
        gguf_set_val_u32(gguf, "llama.attention.head_count_kv", 4);
        gguf_set_val_u32(gguf, "llama.rope.dimension_count", 16);
        gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
        gguf_set_val_u32(gguf, "llama.vocab_size", static_cast<std::uint32_t>(tokens));
        std::mt19937 random(3);
        const auto add = [&](const std::string& name, std::int64_t columns, std::int64_t rows) {
            ggml_tensor* tensor = rows > 0 ? ggml_new_tensor_2d(tensors, GGML_TYPE_F32, columns, rows)
                                           : ggml_new_tensor_1d(tensors, GGML_TYPE_F32, columns);
            ggml_set_name(tensor, name.c_str());
            std::normal_distribution<float> weight(0, 0.2F);
            auto* data = static_cast<float*>(tensor->data);
            for (std::int64_t i = 0; i < ggml_nelements(tensor); ++i) data[i] = rows > 0 ? weight(random) : 1.0F;
            gguf_add_tensor(gguf, tensor);
        };
        add("token_embd.weight", kWidth, tokens);
        add("output_norm.weight", kWidth, 0);
        for (int layer = 0; layer < 2; ++layer) {
            const std::string block = "blk." + std::to_string(layer) + ".";
            add(block + "attn_norm.weight", kWidth, 0);
            for (const char* name : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"}) add(block + name, kWidth, kWidth);
            add(block + "ffn_norm.weight", kWidth, 0);
            add(block + "ffn_gate.weight", kWidth, kForward);
            add(block + "ffn_up.weight", kWidth, kForward);
            add(block + "ffn_down.weight", kForward, kWidth);
        }
        ASSERT_TRUE(gguf_write_to_file(gguf, path_.c_str(), false));
        gguf_free(gguf);
        ggml_free(tensors);
    }
    fs::path path_;
};

class LlamaModule : public testing::Test {
protected:
    void SetUp() override {
        if (model().path().empty()) GTEST_SKIP() << "no vocabulary files; run tools/setup";
    }
    static TinyModel& model() {
        static TinyModel tiny;
        return tiny;
    }
    static BackendOptions options() {
        BackendOptions options;
        options.model_path = model().path();
        options.context = 512;
        options.sequences = 4;
        options.batch_tokens = 64;
        return options;
    }
    static std::unique_ptr<Backend> load(const BackendOptions& with) {
        auto backend = module()->load(with);
        EXPECT_TRUE(backend) << backend.error().to_string();
        return std::move(*backend);
    }
    static std::vector<BatchToken> batch(const std::vector<Token>& tokens, SequenceId sequence, std::int32_t from = 0) {
        std::vector<BatchToken> out;
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            out.push_back({tokens[i], from + static_cast<std::int32_t>(i), sequence, i + 1 == tokens.size()});
        }
        return out;
    }
    static TokenChoice greedy(Decoder& decoder, int output = 0) {
        auto sampler = decoder.make_sampler({.temperature = 0});
        return decoder.sample(**sampler, output, 3).value();
    }
};

TEST_F(LlamaModule, SaysWhatItLoaded) {
    const auto backend = load(options());
    EXPECT_EQ(backend->facts().vocabulary, 32000);
    EXPECT_EQ(backend->facts().context_train, 512);
    EXPECT_EQ(backend->facts().sequence_ids, 256);
    EXPECT_TRUE(backend->facts().share_prefixes);
    EXPECT_FALSE(backend->facts().has_chat_template);
}

TEST_F(LlamaModule, RefusesWhatIsNotAModel) {
    BackendOptions bad = options();
    bad.model_path = "/nonexistent.gguf";
    EXPECT_EQ(module()->load(bad).error().code(), Code::kInvalidArgument);
    bad.model_path = third_party() / "llama/vocab/ggml-vocab-llama-spm.gguf";
    EXPECT_FALSE(module()->load(bad)) << "a vocabulary has no weights";
    bad = options();
    bad.progress = [](float) { return false; };
    EXPECT_FALSE(module()->load(bad)) << "loading was called off";
}

TEST_F(LlamaModule, TextToTokensAndBack) {
    const auto backend = load(options());
    const Tokenizer& tokenizer = backend->tokenizer();
    const auto tokens = tokenizer.tokenize("Hello, 世界!", true, false);
    ASSERT_TRUE(tokens);
    std::string text;
    for (const Token token : *tokens) text += tokenizer.piece(token, false);
    EXPECT_NE(text.find("Hello, 世界!"), std::string::npos);
    EXPECT_EQ(tokenizer.piece(-1, true), "");
    EXPECT_EQ(tokenizer.piece(32000, true), "");
    EXPECT_TRUE(tokenizer.is_end(2));
}

TEST_F(LlamaModule, ChunksSharedPrefixesAndBatchesGiveTheSameLogits) {
    const auto backend = load(options());
    Decoder& decoder = backend->decoder();
    const auto tokens = backend->tokenizer().tokenize("a rather long sentence about nothing at all", true, false).value();
    ASSERT_EQ(decoder.decode(batch(tokens, 0)), DecodeStatus::kOk);
    const TokenChoice whole = greedy(decoder);
    ASSERT_EQ(whole.top.size(), 3U);

    const std::vector<Token> head(tokens.begin(), tokens.begin() + 4);
    const std::vector<Token> tail(tokens.begin() + 4, tokens.end());
    ASSERT_EQ(decoder.decode(batch(head, 1)), DecodeStatus::kOk);
    ASSERT_EQ(decoder.decode(batch(tail, 1, 4)), DecodeStatus::kOk);
    EXPECT_EQ(greedy(decoder).token, whole.token) << "in two chunks";

    decoder.copy(0, 200, 4);
    ASSERT_EQ(decoder.decode(batch(tail, 200, 4)), DecodeStatus::kOk);
    const TokenChoice shared = greedy(decoder);
    EXPECT_EQ(shared.token, whole.token) << "from a shared prefix, on an id beyond the batch's sequences";
    EXPECT_NEAR(shared.logprob, whole.logprob, 0.05);

    auto two = batch(tokens, 2);
    for (const BatchToken& item : batch(tokens, 3)) two.push_back(item);
    ASSERT_EQ(decoder.decode(two), DecodeStatus::kOk);
    EXPECT_EQ(greedy(decoder, 0).token, whole.token);
    EXPECT_EQ(greedy(decoder, 1).token, whole.token);
}

TEST_F(LlamaModule, WrongCallsAreStatusesNotAborts) {
    const auto backend = load(options());
    Decoder& decoder = backend->decoder();
    EXPECT_EQ(decoder.decode({}), DecodeStatus::kInvalid);
    EXPECT_EQ(decoder.decode(batch(std::vector<Token>(65, 1), 0)), DecodeStatus::kInvalid) << "larger than a batch";
    EXPECT_EQ(decoder.decode(batch({1, 32000}, 0)), DecodeStatus::kInvalid) << "no such token";
    EXPECT_EQ(decoder.decode(batch({1}, 256)), DecodeStatus::kInvalid) << "no such sequence";
    std::vector<BatchToken> outputs;
    for (std::int32_t i = 0; i < 5; ++i) outputs.push_back({1, i, 0, true});
    EXPECT_EQ(decoder.decode(outputs), DecodeStatus::kInvalid) << "more outputs than allocated";
    decoder.remove(999, 0);
    decoder.copy(0, 999, 5);
    decoder.copy(-1, 0, 5);
    auto sampler = decoder.make_sampler({});
    EXPECT_FALSE(decoder.sample(**sampler, 0, -1)) << "nothing was computed";
    EXPECT_EQ(decoder.decode(batch({1, 2, 3}, 0)), DecodeStatus::kOk);
    EXPECT_FALSE(decoder.sample(**sampler, 1, -1));
    EXPECT_TRUE(decoder.sample(**sampler, 0, -1));
    EXPECT_EQ(decoder.decode(batch({1}, 0, 7)), DecodeStatus::kInvalid) << "a gap in the positions";
    EXPECT_FALSE(decoder.sample(**sampler, 0, -1)) << "the logits of an earlier step";
}

TEST_F(LlamaModule, FullCacheIsToldAndLeavesEverythingAsItWas) {
    const auto backend = load(options());
    Decoder& decoder = backend->decoder();
    const std::vector<Token> chunk(64, 5);
    for (int i = 0; i < 8; ++i) ASSERT_EQ(decoder.decode(batch(chunk, 0, i * 64)), DecodeStatus::kOk);
    EXPECT_EQ(decoder.decode(batch({1}, 1)), DecodeStatus::kNoSpace);
    decoder.remove(0, 448);
    EXPECT_EQ(decoder.decode(batch({1}, 1)), DecodeStatus::kOk);
}

TEST_F(LlamaModule, SamplingObeysSeedBiasAndGrammar) {
    const auto backend = load(options());
    Decoder& decoder = backend->decoder();
    ASSERT_EQ(decoder.decode(batch({1, 100, 200}, 0)), DecodeStatus::kOk);
    const auto draw = [&](SamplerSettings settings) { return decoder.sample(**decoder.make_sampler(settings), 0, -1).value().token; };
    EXPECT_EQ(draw({.temperature = 1, .seed = 9}), draw({.temperature = 1, .seed = 9}));
    EXPECT_EQ(draw({.temperature = 0, .logit_bias = {{777, 100.0F}}}), 777);
    const Token best = draw({.temperature = 0});
    EXPECT_NE(draw({.temperature = 0, .logit_bias = {{best, -100.0F}}}), best);

    SamplerSettings yes{.temperature = 0};
    yes.grammar.text = R"(root ::= "yes" | "yet")";
    auto sampler = decoder.make_sampler(yes).value();
    std::string text;
    for (std::int32_t i = 3; i < 10; ++i) {
        const auto choice = decoder.sample(*sampler, 0, -1);
        ASSERT_TRUE(choice) << choice.error().to_string();
        if (backend->tokenizer().is_end(choice->token)) break;
        text += backend->tokenizer().piece(choice->token, false);
        ASSERT_EQ(decoder.decode(batch({choice->token}, 0, i)), DecodeStatus::kOk);
    }
    EXPECT_TRUE(text == "yes" || text == "yet") << text;
}

TEST_F(LlamaModule, BadGrammarsAreErrors) {
    const auto backend = load(options());
    for (const std::string& grammar : {std::string("%llguidance {}"), std::string("root := x"), std::string("root ::= root"), std::string("other ::= \"a\""),
                                       "root ::= " + std::string(100, '('), std::string(70'000, 'x')}) {
        SamplerSettings settings;
        settings.grammar.text = grammar;
        const auto sampler = backend->decoder().make_sampler(settings);
        ASSERT_FALSE(sampler) << grammar.substr(0, 40);
        EXPECT_EQ(sampler.error().code(), Code::kInvalidArgument);
        EXPECT_EQ(sampler.error().field(), "grammar");
    }
    EXPECT_FALSE(backend->decoder().make_sampler({.logit_bias = {{32000, 1.0F}}}));
    EXPECT_FALSE(backend->chat().grammar_from_schema(R"({"type":"florp"})"));
    EXPECT_FALSE(backend->chat().grammar_from_schema("{"));
    EXPECT_TRUE(backend->chat().grammar_from_schema(R"({"type":"object","properties":{"a":{"type":"integer"}}})"));
}

TEST_F(LlamaModule, RendersTheTemplateItWasGiven) {
    BackendOptions with = options();
    with.chat_template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    const auto backend = load(with);
    ASSERT_TRUE(backend->facts().has_chat_template);
    EXPECT_FALSE(backend->facts().supports_tools);
    ChatInput input;
    input.messages_json = R"([{"role":"user","content":"hi"}])";
    const auto prompt = backend->chat().render(input);
    ASSERT_TRUE(prompt) << prompt.error().to_string();
    EXPECT_EQ(prompt->text, "[user]hi[assistant]");
    EXPECT_EQ(prompt->parser, nullptr);
    input.tools_json = R"([{"type":"function","function":{"name":"f"}}])";
    EXPECT_EQ(backend->chat().render(input).error().code(), Code::kUnimplemented);
    input.messages_json = "[]x";
    input.tools_json.clear();
    EXPECT_EQ(backend->chat().render(input).error().code(), Code::kInvalidArgument);

    with.chat_template = "{% for %}";
    EXPECT_EQ(module()->load(with).error().code(), Code::kInvalidArgument);
}

TEST_F(LlamaModule, ToolsGoInAndCallsComeOut) {
    BackendOptions with = options();
    // The shape of Hermes and Qwen templates, which the library's analysis recognises.
    with.chat_template =
        "{%- if tools %}{{- '<|im_start|>system\\n# Tools\\n<tools>' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}"
        "{{- '\\n</tools>\\n\\nFor each function call, return a json object within <tool_call></tool_call> tags:\\n<tool_call>\\n"
        "{\"name\": <function-name>, \"arguments\": <args-json-object>}\\n</tool_call><|im_end|>\\n' }}{%- endif %}"
        "{%- for message in messages %}{%- if message.role == 'assistant' and message.tool_calls %}{{- '<|im_start|>assistant\\n' + (message.content or '') }}"
        "{%- for tool_call in message.tool_calls %}{%- set call = tool_call.function %}{{- '\\n<tool_call>\\n{\"name\": \"' + call.name + '\", \"arguments\": ' }}"
        "{{- call.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}"
        "{%- elif message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}"
        "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
    const auto backend = load(with);
    ASSERT_TRUE(backend->facts().supports_tools);
    ChatInput input;
    input.messages_json = R"([{"role":"user","content":"weather in Paris?"}])";
    input.tools_json = R"([{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}])";
    const auto prompt = backend->chat().render(input);
    ASSERT_TRUE(prompt) << prompt.error().to_string();
    EXPECT_NE(prompt->text.find("\"weather\""), std::string::npos);
    EXPECT_FALSE(prompt->grammar.text.empty());
    EXPECT_TRUE(prompt->grammar.lazy);
    ASSERT_NE(prompt->parser, nullptr);
    const auto message = prompt->parser->parse("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>", false);
    ASSERT_TRUE(message) << message.error().to_string();
    ASSERT_EQ(message->tool_calls.size(), 1U);
    EXPECT_EQ(message->tool_calls[0].name, "weather");
    EXPECT_NE(message->tool_calls[0].arguments.find("Paris"), std::string::npos);
    const auto plain = prompt->parser->parse("It is sunny.", false);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->content, "It is sunny.");

    SamplerSettings settings;
    settings.grammar = prompt->grammar;
    EXPECT_TRUE(backend->decoder().make_sampler(settings));
}

TEST_F(LlamaModule, EmbedsManyInputsTogetherAsAlone) {
    BackendOptions with = options();
    with.embedding = true;
    with.batch_tokens = 128;
    const auto backend = load(with);
    EXPECT_EQ(backend->facts().embedding_dimensions, 64);
    const std::vector<std::vector<Token>> inputs{{1, 5, 6, 7}, {1, 9}, {1, 100, 200, 300, 400}};
    const auto together = backend->decoder().embed(inputs);
    ASSERT_TRUE(together) << together.error().to_string();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const auto alone = backend->decoder().embed(std::span(&inputs[i], 1));
        ASSERT_TRUE(alone);
        for (std::size_t k = 0; k < 64; ++k) EXPECT_NEAR((*alone)[0][k], (*together)[i][k], 1e-3);
    }
    EXPECT_FALSE(backend->decoder().embed({}));
    EXPECT_EQ(backend->decoder().embed(std::vector<std::vector<Token>>{{}}).error().code(), Code::kInvalidArgument);
    EXPECT_FALSE(backend->decoder().embed(std::vector<std::vector<Token>>{std::vector<Token>(600, 1)}));
}

TEST(EngineModule, OnlyModulesOpen) {
    EXPECT_EQ(find_engine_module("", "/nonexistent/bin/atrium").error().code(), Code::kNotFound);
    EXPECT_EQ(open_engine_module("/nonexistent.so").error().code(), Code::kFailedPrecondition);
    EXPECT_EQ(open_engine_module(third_party() / "llama/lib/libggml-base.so").error().code(), Code::kFailedPrecondition);
}

TEST(ThreadGovernor, StepsDownWhenStarvedAndProbesLater) {
    using llama::ThreadGovernor;
    ThreadGovernor governor(4);
    double now = 0;
    const auto step = [&](double share) {
        now += 0.2;
        governor.observe(ThreadGovernor::Duration(now), ThreadGovernor::Duration(0.2), ThreadGovernor::Duration(0.2 * governor.threads() * share));
    };
    for (int i = 0; i < 10; ++i) step(0.98);
    EXPECT_EQ(governor.threads(), 4) << "busy with our own work";
    step(0.5);
    EXPECT_EQ(governor.threads(), 2);
    for (int i = 0; i < 9; ++i) step(0.98);
    EXPECT_EQ(governor.threads(), 2) << "not at once";
    for (int i = 0; i < 3; ++i) step(0.98);
    EXPECT_GT(governor.threads(), 2);
    step(0.3);
    EXPECT_LE(governor.threads(), 2);
    for (int i = 0; i < 200; ++i) step(0.98);
    EXPECT_EQ(governor.threads(), 4);
    ThreadGovernor single(1);
    single.observe(ThreadGovernor::Duration(1), ThreadGovernor::Duration(1), ThreadGovernor::Duration(0.1));
    EXPECT_EQ(single.threads(), 1);
}

}  // namespace
}  // namespace atrium::model
