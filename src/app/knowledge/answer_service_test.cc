#include "app/knowledge/answer_service.h"

#include "app/knowledge/knowledge_fixture.h"

namespace atrium::app::testing {
namespace {

using ::testing::HasSubstr;

class Recorder final : public AnswerSink {
public:
    Task<Result<>> on_retrieval(const std::vector<FoundPassage>& passages) override {
        events.push_back("retrieval " + std::to_string(passages.size()));
        co_return Result<>{};
    }
    Task<Result<>> on_text(std::string_view piece) override {
        const std::string copy(piece);
        events.push_back("text");
        text += copy;
        co_return Result<>{};
    }
    std::vector<std::string> events;
    std::string text;
};

class AnswerTest : public KnowledgeTest {
protected:
    AnswerTest() {
        const auto english = upload(
            "# Leave\nEmployees receive 25 days of annual leave. Unused leave expires at the end of March.\n"
            "# Travel\nTrain tickets are booked in second class. Flights need the approval of a manager.",
            "handbook.txt");
        const auto chinese = upload("# 报销\n报销单应在三十天内提交。发票必须是原件。\n# 安全\n密码每九十天更换一次。", "手册.txt");
        store_ = make_store({english.id, chinese.id}).id;
        ingest_all();
    }
    Result<Answer> ask(const std::string& question, AnswerSink* sink = nullptr, const std::string& project = "proj_a") {
        AnswerRequest request;
        request.store_id = store_;
        request.question = question;
        request.max_results = 4;
        return run_blocking(answers_->ask(caller(project), request, sink));
    }
    /// Every citation's quote stands in its passage where it says.
    void expect_sound(const Answer& answer) {
        for (const auto& citation : answer.citations) {
            const auto context = run_blocking(stores_->get_chunk("proj_a", store_, citation.chunk_id));
            ASSERT_TRUE(context);
            std::string cut;
            std::int64_t position = 0;
            const auto& text = context->chunk.text;
            for (std::size_t offset = 0; offset < text.size(); ++position) {
                const char32_t c = text::next_char(text, offset);
                if (position >= citation.start && position < citation.end) text::append_utf8(cut, c);
            }
            EXPECT_EQ(cut, citation.quote);
            EXPECT_THAT(answer.text, HasSubstr("[" + std::to_string(citation.marker) + "]"));
        }
    }

    std::string store_;
};

TEST_F(AnswerTest, WithoutAModelTheEvidenceAnswers) {
    models_.no_answer_model = true;
    const auto answer = ask("When does unused leave expire?").value();
    EXPECT_EQ(answer.kind, AnswerKind::kEvidence);
    EXPECT_FALSE(answer.model);
    ASSERT_FALSE(answer.citations.empty());
    EXPECT_EQ(answer.citations[0].quote, "Unused leave expires at the end of March.");
    EXPECT_EQ(answer.citations[0].headings, std::vector<std::string>{"Leave"});
    EXPECT_FALSE(answer.warnings.empty());
    expect_sound(answer);
    const auto chinese = ask("密码多久更换一次？").value();
    EXPECT_EQ(chinese.citations.at(0).quote, "密码每九十天更换一次。");
    EXPECT_THAT(chinese.text, HasSubstr("「密码每九十天更换一次。」 [1]"));
}

TEST_F(AnswerTest, AbstainsInTheLanguageOfTheQuestion) {
    models_.model.small = true;
    models_.reply = "Ulaanbaatar [1]";
    const auto english = ask("What is the capital of Mongolia?").value();
    EXPECT_EQ(english.kind, AnswerKind::kAbstained);
    EXPECT_TRUE(english.citations.empty());
    EXPECT_THAT(english.text, HasSubstr("do not answer"));
    EXPECT_TRUE(models_.prompts.empty()) << "the model is not even asked";
    const auto chinese = ask("蒙古国首都在哪里？").value();
    EXPECT_EQ(chinese.kind, AnswerKind::kAbstained);
    EXPECT_THAT(chinese.text, HasSubstr("没有"));
}

TEST_F(AnswerTest, SmallModelMayAddALineThatIsInTheEvidence) {
    models_.model.small = true;
    models_.reply = "25 days [1]";
    const auto answer = ask("How many days of annual leave do employees receive?").value();
    EXPECT_EQ(answer.kind, AnswerKind::kGenerated);
    EXPECT_EQ(answer.model, "fake-chat");
    EXPECT_TRUE(answer.small_model);
    EXPECT_TRUE(answer.text.starts_with("25 days [1]\n\n“Employees receive 25 days of annual leave.” [1]")) << answer.text;
    EXPECT_EQ(answer.usage.completion_tokens, 5);
    expect_sound(answer);
    ASSERT_EQ(models_.prompts.size(), 1U);
    EXPECT_EQ(models_.prompts[0].temperature, 0);
    EXPECT_LE(models_.prompts[0].max_tokens, 48);
}

TEST_F(AnswerTest, SmallModelsInventionsAreNotShown) {
    models_.model.small = true;
    for (const std::string reply : {"30 days [1]", "How many days of annual leave do employees receive?", "", "second class [2]"}) {
        models_.reply = reply;
        const auto answer = ask("How many days of annual leave do employees receive?").value();
        EXPECT_EQ(answer.kind, AnswerKind::kEvidence) << reply;
        EXPECT_FALSE(answer.model) << reply;
        EXPECT_TRUE(answer.text.starts_with("“Employees receive 25 days")) << reply << ": " << answer.text;
    }
    models_.completion_error = unavailable("crashed");
    EXPECT_EQ(ask("How many days of annual leave do employees receive?").value().kind, AnswerKind::kEvidence);
}

TEST_F(AnswerTest, CapableModelLeadsAndIsChecked) {
    models_.reply = "Employees receive 25 days of annual leave [1]. Unused leave expires at the end of June [1]. "
                    "Penguins are entitled to fish. Unused leave expires at the end of March [9].";
    Recorder sink;
    const auto answer = ask("How many days of annual leave do employees receive and when does it expire?", &sink).value();
    EXPECT_EQ(answer.kind, AnswerKind::kGenerated);
    EXPECT_THAT(answer.text, HasSubstr("Employees receive 25 days of annual leave."));
    EXPECT_EQ(answer.text.find("Penguins"), std::string::npos);
    EXPECT_THAT(answer.text, HasSubstr("end of March")) << "a wrong marker is put right";
    EXPECT_EQ(sink.text, answer.text);
    ASSERT_GE(sink.events.size(), 3U);
    EXPECT_TRUE(sink.events[0].starts_with("retrieval"));
    EXPECT_FALSE(answer.warnings.empty());
    expect_sound(answer);
}

TEST_F(AnswerTest, CapableModelThatInventsIsReplacedByEvidence) {
    models_.reply = "Staff enjoy unlimited holidays on the moon.";
    const auto answer = ask("How many days of annual leave do employees receive?").value();
    EXPECT_EQ(answer.kind, AnswerKind::kEvidence);
    EXPECT_FALSE(answer.model);
}

TEST_F(AnswerTest, CapableModelMayAbstain) {
    models_.reply = "NOT_FOUND";
    const auto answer = ask("How many days of annual leave do employees receive?").value();
    EXPECT_EQ(answer.kind, AnswerKind::kAbstained);
    EXPECT_TRUE(answer.citations.empty());
}

TEST_F(AnswerTest, ModelThatBreaksOffLeavesTheEvidence) {
    models_.completion_error = unavailable("the engine crashed");
    const auto answer = ask("When does unused leave expire?").value();
    EXPECT_EQ(answer.kind, AnswerKind::kEvidence);
    EXPECT_FALSE(answer.warnings.empty());
}

TEST_F(AnswerTest, WordsOnlyStillAnswers) {
    models_.no_answer_model = true;
    models_.fail_embeddings = 10;
    const auto answer = ask("When does unused leave expire?").value();
    EXPECT_EQ(answer.kind, AnswerKind::kEvidence);
    EXPECT_THAT(answer.text, HasSubstr("end of March"));
}

TEST_F(AnswerTest, ForeignStoresAndUnknownModelsAreErrors) {
    EXPECT_EQ(ask("leave?", nullptr, "proj_b").error().code(), Code::kNotFound);
    AnswerRequest request;
    request.store_id = store_;
    request.question = "leave?";
    request.model = "no-such-model";
    EXPECT_EQ(run_blocking(answers_->ask(caller(), request)).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace atrium::app::testing
