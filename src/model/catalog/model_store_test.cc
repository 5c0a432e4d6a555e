#include "model/catalog/model_store.h"

#include <gmock/gmock.h>

#include "model/catalog/default_catalog.h"
#include "model/catalog/internal/test_support.h"

namespace atrium::model {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

class ModelStoreTest : public ::testing::Test {
protected:
    InstalledModel put(std::string name, std::string version, std::int64_t at = 1) {
        InstalledModel model;
        model.name = std::move(name);
        model.version = std::move(version);
        model.task = ModelTask::kEmbedding;
        model.file = store_.folder(model.name, model.version) / "m.gguf";
        model.sha256 = "abc";
        model.bytes = 5;
        model.licence = "MIT";
        model.source = "package x 1";
        model.installed_at = at;
        model.context_length = 512;
        model.embedding_dimensions = 384;
        model.defaults = {.chat_template = "{{ messages }}",
                          .stop = {"\nUser:"},
                          .temperature = 0,
                          .query_prefix = "query: ",
                          .passage_prefix = "passage: ",
                          .small_builtin = true};
        testing::write(model.file, "bytes");
        EXPECT_TRUE(store_.add(model));
        return model;
    }
    TempDir dir_;
    ModelStore store_{machine_fs(), dir_ / "models"};
};

TEST_F(ModelStoreTest, NothingThereIsAnEmptyList) {
    EXPECT_TRUE(store_.list().value().empty());
    const auto missing = store_.find("x");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), Code::kNotFound);
    EXPECT_EQ(missing.error().reason(), "model_not_found");
    EXPECT_THAT(missing.error().message(), HasSubstr("atrium pull --default"));
}

TEST_F(ModelStoreTest, KeepsEverythingAboutAModel) {
    const InstalledModel put_in = put("e5", "1");
    const auto found = store_.find("e5");
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_EQ(json::serialize(to_json(*found)), json::serialize(to_json(put_in)));
    EXPECT_EQ(found->file, put_in.file);
    EXPECT_EQ(found->defaults.stop, std::vector<std::string>{"\nUser:"});
    EXPECT_EQ(found->defaults.temperature, 0);
}

TEST_F(ModelStoreTest, FindsTheNewestOrTheNamedVersion) {
    put("m", "2");
    put("m", "10");
    put("m", "9");
    put("other", "1");
    EXPECT_EQ(store_.find("m")->version, "10");
    EXPECT_EQ(store_.find("m@2")->version, "2");
    const auto missing = store_.find("m@3");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message(), HasSubstr("m@10, m@9, m@2, other@1"));
}

TEST_F(ModelStoreTest, VersionsThatAreNotNumbersGoByTime) {
    put("m", "zeta", 5);
    put("m", "alpha", 9);
    EXPECT_EQ(store_.find("m")->version, "alpha");
}

TEST_F(ModelStoreTest, AnInterruptedPullIsNotAModel) {
    testing::write(store_.folder("half", "1") / "half.gguf.part", "x");
    EXPECT_TRUE(store_.list().value().empty());
}

TEST_F(ModelStoreTest, DamageNamesTheFile) {
    put("m", "1");
    testing::write(store_.folder("m", "1") / "model.json", "{\"name\":\"m\"");
    const auto list = store_.list();
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().code(), Code::kDataLoss);
    EXPECT_THAT(list.error().message(), HasSubstr("m@1/model.json"));
}

TEST_F(ModelStoreTest, AFileThatIsCutShortIsNoticed) {
    const auto model = put("m", "1");
    EXPECT_TRUE(store_.check(model));
    testing::write(model.file, "byt");
    const auto cut = store_.check(model);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code(), Code::kDataLoss);
    EXPECT_THAT(cut.error().message(), HasSubstr("'m@1' is damaged: it has 3 bytes instead of 5"));
    EXPECT_THAT(cut.error().message(), HasSubstr("atrium pull m"));
    std::filesystem::remove(model.file);
    EXPECT_THAT(store_.check(model).error().message(), HasSubstr("0 bytes"));
}

TEST_F(ModelStoreTest, AManifestCannotPointOutside) {
    put("m", "1");
    testing::write(store_.folder("m", "1") / "model.json",
                   R"({"name":"m","version":"1","task":"chat","file":"../../secret","sha256":""})");
    EXPECT_THAT(store_.list().error().message(), HasSubstr("plain file name"));
}

TEST_F(ModelStoreTest, RemovesOneVersion) {
    put("m", "1");
    put("m", "2");
    ASSERT_TRUE(store_.remove("m@2"));
    EXPECT_EQ(store_.find("m")->version, "1");
    EXPECT_FALSE(std::filesystem::exists(store_.folder("m", "2")));
    EXPECT_EQ(store_.remove("m@2").error().code(), Code::kNotFound);
}

TEST_F(ModelStoreTest, RefusesNamesThatAreNoFolders) {
    for (const char* name : {"", ".hidden", "a/b", "..", "a b", "a@b", "名"}) {
        InstalledModel model;
        model.name = name;
        model.version = "1";
        model.file = "m.gguf";
        EXPECT_FALSE(store_.add(model)) << name;
    }
}

TEST(Catalog, EntriesAreComplete) {
    for (const CatalogEntry& entry : catalog()) {
        EXPECT_TRUE(is_model_name(entry.name)) << entry.name;
        EXPECT_TRUE(is_model_name(entry.file)) << entry.name;
        EXPECT_FALSE(entry.licence.empty()) << entry.name;
        EXPECT_FALSE(entry.sources.empty()) << entry.name;
        for (const Source& source : entry.sources) {
            if (const auto* packages = std::get_if<PackageSource>(&source)) {
                for (const PackagePiece& piece : packages->pieces) {
                    EXPECT_EQ(piece.wheel.sha256.size(), 64u);
                    for (const SourceFile& member : piece.members) {
                        EXPECT_EQ(member.sha256.size(), 64u);
                        EXPECT_GT(member.bytes, 0u);
                    }
                }
            }
        }
    }
    for (const std::string& name : default_models()) {
        const auto entry = find_entry(name);
        ASSERT_TRUE(entry);
        EXPECT_TRUE(std::holds_alternative<PackageSource>(entry->sources.back()))
            << "the last source of a default model is a package";
    }
    std::uint64_t parts = 0;
    for (const PackagePiece& piece : std::get<PackageSource>(find_entry("gemma-3-270m")->sources.back()).pieces) {
        for (const SourceFile& member : piece.members) parts += member.keep_as.empty() ? member.bytes : 0;
    }
    EXPECT_EQ(parts, find_entry("gemma-3-270m")->bytes);
}

TEST(Catalog, ReadsReferences) {
    const auto hub = find_entry("hf://Qwen/Qwen3-8B-GGUF/sub/Qwen3-8B-Q4_K_M.gguf@abc123");
    ASSERT_TRUE(hub) << hub.error().to_string();
    EXPECT_EQ(hub->name, "qwen3-8b-q4_k_m");
    EXPECT_EQ(hub->version, "abc123");
    const auto& source = std::get<HubSource>(hub->sources[0]);
    EXPECT_EQ(source.repository, "Qwen/Qwen3-8B-GGUF");
    EXPECT_EQ(source.files[0].path, "sub/Qwen3-8B-Q4_K_M.gguf");
    EXPECT_EQ(source.revision, "abc123");
    EXPECT_EQ(std::get<HubSource>(find_entry("modelscope://a/b/c.gguf")->sources[0]).revision, "master");
    EXPECT_TRUE(std::holds_alternative<LocalSource>(find_entry("./models/x.gguf")->sources[0]));
    for (const char* bad : {"hf://", "hf://a/b", "hf://a/b/c.bin", "hf://a//c.gguf", "hf://a/../c.gguf",
                            "hf://a/b/c.gguf@", "hf://a/b/c.gguf@x y"}) {
        EXPECT_EQ(find_entry(bad).error().code(), Code::kInvalidArgument) << bad;
    }
    EXPECT_THAT(find_entry("qwen3-0.6").error().message(), HasSubstr("did you mean 'qwen3-0.6b'"));
}

}  // namespace
}  // namespace atrium::model
