#include "app/knowledge/knowledge_fixture.h"
#include "gateway/admin/knowledge.h"
#include "gateway/live_gateway.h"
#include "gateway/openai/files.h"
#include "gateway/openai/vector_stores.h"
#include "platform/http/sse.h"

namespace atrium::gateway::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kMaxUpload = 1 << 20;

/// The routes of files, vector stores and knowledge behind a real server, with models that need no engine.
class KnowledgeRoutes : public app::testing::KnowledgeTest {
public:
    KnowledgeRoutes() {
        add_file_routes(live_.gateway->routes(), *files_, kMaxUpload);
        add_vector_store_routes(live_.gateway->routes(), *stores_, *retriever_);
        add_knowledge_routes(live_.gateway->routes(), *stores_, *retriever_, *answers_);
        other_project_ = LiveGateway::bearer(live_.make_key(run_blocking(live_.tenancy.create_project("other")).value().id));
        live_.start();
    }

    Reply upload_form(const std::string& body, const std::string& type = "multipart/form-data; boundary=XX") {
        return live_.send(live_.prepare(http::Method::kPost, "/v1/files", body, LiveGateway::with("Content-Type", type)));
    }
    static std::string form(const std::string& bytes, const std::string& name = "doc.txt", const std::string& purpose = "assistants") {
        return "--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose +
               "\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name +
               "\"\r\nContent-Type: text/plain\r\n\r\n" + bytes + "\r\n--XX--\r\n";
    }
    std::string uploaded(const std::string& bytes, const std::string& name = "doc.txt") {
        return std::string(upload_form(form(bytes, name)).json().at("id").as_string());
    }
    std::string store_with(const std::vector<std::string>& ids) {
        json::object body{{"name", "base"}, {"file_ids", json::array(ids.begin(), ids.end())}};
        const auto reply = live_.post("/v1/vector_stores", json::serialize(body));
        EXPECT_EQ(reply.status, 200) << reply.body;
        ingest_all();
        return std::string(reply.json().at("id").as_string());
    }
    Reply remove(const std::string& target, http::Headers headers = {}) {
        return live_.send(live_.prepare(http::Method::kDelete, target, {}, std::move(headers)));
    }
    static std::vector<std::string> keys(const json::object& object) {
        std::vector<std::string> names;
        for (const auto& pair : object) names.emplace_back(pair.key());
        return names;
    }

    LiveGateway live_;
    http::Headers other_project_;
};

TEST_F(KnowledgeRoutes, FileShapes) {
    const auto reply = upload_form(form("hello", "报告.txt"));
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto file = reply.json();
    EXPECT_THAT(keys(file), ElementsAre("id", "object", "bytes", "created_at", "filename", "purpose", "status"));
    EXPECT_EQ(file.at("object").as_string(), "file");
    EXPECT_EQ(file.at("bytes").as_int64(), 5);
    EXPECT_EQ(file.at("filename").as_string(), "报告.txt");
    EXPECT_EQ(file.at("status").as_string(), "processed");
    const std::string id(file.at("id").as_string());
    EXPECT_EQ(live_.get("/v1/files/" + id).json(), file);
    const auto content = live_.get("/v1/files/" + id + "/content");
    EXPECT_EQ(content.body, "hello");
    EXPECT_EQ(content.header("content-type"), "application/octet-stream");
    EXPECT_THAT(content.header("content-disposition"), HasSubstr("%E6%8A%A5"));
    const auto list = live_.get("/v1/files?purpose=assistants").json();
    EXPECT_THAT(keys(list), ElementsAre("object", "data", "first_id", "last_id", "has_more"));
    EXPECT_EQ(list.at("first_id").as_string(), id);
    const auto gone = remove("/v1/files/" + id).json();
    EXPECT_EQ(json::serialize(gone), "{\"id\":\"" + id + "\",\"object\":\"file\",\"deleted\":true}");
    EXPECT_EQ(live_.get("/v1/files/" + id).status, 404);
    EXPECT_TRUE(live_.get("/v1/files").json().at("first_id").is_null());
}

TEST_F(KnowledgeRoutes, BadUploadsNameTheField) {
    struct Case {
        std::string body;
        int status;
        std::string param;
    };
    const std::string file_only = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--XX--\r\n";
    const std::string purpose_only = "--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n--XX--\r\n";
    for (const auto& c : std::vector<Case>{{form(""), 400, "file"},
                                           {form("x", "a", "fun"), 400, "purpose"},
                                           {file_only, 400, "purpose"},
                                           {purpose_only, 400, "file"},
                                           {form(std::string(kMaxUpload + 1, 'x')), 413, "file"},
                                           {form(std::string(3 * kMaxUpload, 'x')), 413, "file"},
                                           {form("x").substr(0, 80), 400, "null"},
                                           {"--XX--", 400, "purpose"}}) {
        const auto reply = upload_form(c.body);
        EXPECT_EQ(reply.status, c.status) << c.body.substr(0, 200) << reply.body;
        EXPECT_EQ(reply.error("param"), c.param) << reply.body;
    }
    EXPECT_EQ(upload_form("{}", "application/json").status, 415);
    EXPECT_EQ(count("files"), 0);
}

TEST_F(KnowledgeRoutes, LargeFilesComeBackWhole) {
    std::string bytes(kMaxUpload, 'x');
    for (std::size_t i = 0; i < bytes.size(); i += 97) bytes[i] = static_cast<char>(i);
    const auto id = uploaded(bytes, "big.bin");
    EXPECT_EQ(live_.get("/v1/files/" + id + "/content").body, bytes);
}

TEST_F(KnowledgeRoutes, VectorStoreShapes) {
    const auto file = uploaded("# Leave\nEmployees get 25 days of annual leave.");
    const auto created = live_.post("/v1/vector_stores", R"({"name":"hr","file_ids":[")" + file +
                                                             R"("],"metadata":{"team":"x"},"expires_after":{"anchor":"last_active_at","days":7}})");
    ASSERT_EQ(created.status, 200) << created.body;
    EXPECT_THAT(keys(created.json()), ElementsAre("id", "object", "created_at", "name", "usage_bytes", "file_counts", "status",
                                                  "last_active_at", "metadata", "expires_after", "expires_at"));
    EXPECT_EQ(created.json().at("status").as_string(), "in_progress");
    EXPECT_EQ(json::serialize(created.json().at("file_counts")), R"({"in_progress":1,"completed":0,"failed":0,"cancelled":0,"total":1})");
    EXPECT_EQ(created.header("openai-poll-after-ms"), "300");
    const std::string store = "/v1/vector_stores/" + std::string(created.json().at("id").as_string());
    ingest_all();
    EXPECT_EQ(live_.get(store).json().at("status").as_string(), "completed");

    const auto in_store = live_.get(store + "/files/" + file);
    EXPECT_EQ(in_store.header("openai-poll-after-ms"), "300");
    EXPECT_THAT(keys(in_store.json()), ElementsAre("id", "object", "usage_bytes", "created_at", "vector_store_id", "status", "last_error",
                                                   "chunking_strategy", "attributes"));
    EXPECT_EQ(json::serialize(in_store.json().at("chunking_strategy")),
              R"({"type":"static","static":{"max_chunk_size_tokens":300,"chunk_overlap_tokens":0}})");
    EXPECT_TRUE(in_store.json().at("last_error").is_null());
    EXPECT_EQ(live_.post(store + "/files/" + file, R"({"attributes":{"year":2024}})").json().at("attributes").at("year").as_int64(), 2024);
    EXPECT_EQ(live_.get(store + "/files?filter=failed").json().at("data").as_array().size(), 0U);
    EXPECT_EQ(live_.get(store + "/files?filter=strange").status, 400);
    const auto content = live_.get(store + "/files/" + file + "/content").json();
    EXPECT_EQ(content.at("object").as_string(), "vector_store.file_content.page");
    EXPECT_THAT(std::string(content.at("data").at(0).at("text").as_string()), HasSubstr("25 days"));

    const auto found = live_.post(store + "/search", R"({"query":"annual leave","filters":{"type":"eq","key":"year","value":2024}})");
    ASSERT_EQ(found.status, 200) << found.body;
    EXPECT_THAT(keys(found.json()), ElementsAre("object", "search_query", "data", "has_more", "next_page"));
    EXPECT_THAT(keys(found.json().at("data").at(0).as_object()), ElementsAre("file_id", "filename", "score", "attributes", "content"));
    EXPECT_EQ(json::serialize(found.json().at("search_query")), R"(["annual leave"])");
    EXPECT_EQ(live_.post(store + "/search", R"({"query":["a","b"],"max_num_results":1})").status, 200);
    EXPECT_EQ(live_.post(store, R"({"name":"renamed"})").json().at("name").as_string(), "renamed");
    EXPECT_EQ(remove(store + "/files/" + file).json().at("object").as_string(), "vector_store.file.deleted");
    EXPECT_EQ(remove(store).json().at("object").as_string(), "vector_store.deleted");
    EXPECT_EQ(live_.get(store).error("code"), "vector_store_not_found");
}

TEST_F(KnowledgeRoutes, BadVectorStoreRequestsNameTheField) {
    const auto file = uploaded("text");
    const std::string store = "/v1/vector_stores/" + store_with({file});
    struct Case {
        std::string path;
        std::string body;
        std::string param;
    };
    for (const auto& c : std::vector<Case>{
             {"/v1/vector_stores", R"({"name":5})", "name"},
             {"/v1/vector_stores", R"({"metadata":{"a":1}})", "metadata"},
             {"/v1/vector_stores", R"({"file_ids":"x"})", "file_ids"},
             {"/v1/vector_stores", R"({"expires_after":{"anchor":"created_at","days":1}})", "expires_after.anchor"},
             {"/v1/vector_stores", R"({"expires_after":{"anchor":"last_active_at","days":400}})", "expires_after.days"},
             {"/v1/vector_stores", R"({"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":200}}})", "chunking_strategy"},
             {store + "/files", "{}", "file_id"},
             {store + "/files", R"({"file_id":"x","attributes":[]})", "attributes"},
             {store + "/files", R"({"file_id":"x","chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":50}}})",
              "chunking_strategy.static.max_chunk_size_tokens"},
             {store + "/files", R"({"file_id":"x","chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":200,"chunk_overlap_tokens":150}}})",
              "chunking_strategy.static.chunk_overlap_tokens"},
             {store + "/files/" + file, "{}", "attributes"},
             {store + "/file_batches", "{}", "file_ids"},
             {store + "/file_batches", R"({"files":[{"attributes":{}}]})", "files[0].file_id"},
             {store + "/search", "{}", "query"},
             {store + "/search", R"({"query":" "})", "query"},
             {store + "/search", R"({"query":[1]})", "query"},
             {store + "/search", R"({"query":"x","max_num_results":51})", "max_num_results"},
             {store + "/search", R"({"query":"x","ranking_options":{"score_threshold":2}})", "ranking_options.score_threshold"},
             {store + "/search", R"({"query":"x","filters":{"type":"eq"}})", "filters.key"},
             {store + "/search", R"({"query":"x","unknown":1})", "unknown"},
         }) {
        const auto reply = live_.post(c.path, c.body);
        EXPECT_EQ(reply.status, 400) << c.path << c.body << reply.body;
        EXPECT_EQ(reply.error("param"), c.param) << c.body << reply.body;
    }
    EXPECT_EQ(live_.post(store + "/files", R"({"file_id":"file-doesnotexist"})").status, 404);
    EXPECT_EQ(live_.get("/v1/vector_stores?limit=101").status, 400);
    EXPECT_EQ(live_.get("/v1/vector_stores?order=up").error("param"), "order");
}

TEST_F(KnowledgeRoutes, BatchShapes) {
    const auto first = uploaded("first");
    const auto second = uploaded("second");
    const std::string store = "/v1/vector_stores/" + store_with({});
    const auto batch = live_.post(store + "/file_batches", R"({"file_ids":[")" + first + R"("],"attributes":{"a":1}})");
    ASSERT_EQ(batch.status, 200) << batch.body;
    EXPECT_THAT(keys(batch.json()), ElementsAre("id", "object", "created_at", "vector_store_id", "status", "file_counts"));
    EXPECT_EQ(batch.json().at("object").as_string(), "vector_store.files_batch");
    const std::string path = store + "/file_batches/" + std::string(batch.json().at("id").as_string());
    ingest_all();
    EXPECT_EQ(live_.get(path).json().at("status").as_string(), "completed");
    EXPECT_EQ(live_.get(path + "/files").json().at("data").at(0).at("attributes").at("a").as_int64(), 1);
    const auto more = live_.post(store + "/file_batches", R"({"files":[{"file_id":")" + second + R"(","attributes":{"b":true}}]})");
    const std::string cancel = store + "/file_batches/" + std::string(more.json().at("id").as_string()) + "/cancel";
    EXPECT_EQ(live_.post(cancel, "").json().at("status").as_string(), "cancelled");
}

TEST_F(KnowledgeRoutes, OtherProjectsGet404Everywhere) {
    const auto file = uploaded("Employees get 25 days of annual leave.");
    const auto id = store_with({file});
    const auto chunk = std::string(live_.get("/atrium/v1/knowledge/" + id + "/files/" + file + "/chunks").json().at("data").at(0).at("id").as_string());
    for (const std::string& path : {"/v1/files/" + file, "/v1/files/" + file + "/content", "/v1/vector_stores/" + id,
                                    "/v1/vector_stores/" + id + "/files", "/v1/vector_stores/" + id + "/files/" + file,
                                    "/v1/vector_stores/" + id + "/files/" + file + "/content", "/atrium/v1/knowledge/" + id + "/files",
                                    "/atrium/v1/knowledge/" + id + "/files/" + file + "/chunks",
                                    "/atrium/v1/knowledge/" + id + "/chunks/" + chunk}) {
        EXPECT_EQ(live_.get(path, other_project_).status, 404) << path;
        EXPECT_EQ(live_.get(path).status, 200) << path;
    }
    for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
             {"/v1/vector_stores/" + id, "{}"},
             {"/v1/vector_stores/" + id + "/search", R"({"query":"leave"})"},
             {"/v1/vector_stores/" + id + "/files", R"({"file_id":")" + file + "\"}"},
             {"/v1/vector_stores", R"({"file_ids":[")" + file + "\"]}"},
             {"/atrium/v1/knowledge/" + id + "/search", R"({"query":"leave"})"},
             {"/atrium/v1/knowledge/" + id + "/ask", R"({"question":"leave"})"},
             {"/atrium/v1/knowledge/" + id + "/ask", R"({"question":"leave","stream":true})"}}) {
        EXPECT_EQ(live_.post(path, body, other_project_).status, 404) << path << body;
    }
    EXPECT_EQ(remove("/v1/files/" + file, other_project_).status, 404);
    EXPECT_EQ(remove("/v1/vector_stores/" + id, other_project_).status, 404);
    EXPECT_TRUE(live_.get("/v1/files", other_project_).json().at("data").as_array().empty());
}

TEST_F(KnowledgeRoutes, KnowledgeShapes) {
    const auto file = uploaded("# Leave\nEmployees get 25 days of annual leave.\n# Travel\nTrains are booked in second class.");
    const auto broken = uploaded("BROKEN", "broken.pdf");
    const auto base = "/atrium/v1/knowledge/" + store_with({file, broken});
    for (const auto& value : live_.get(base + "/files").json().at("data").as_array()) {
        const auto& row = value.as_object();
        EXPECT_THAT(keys(row), ElementsAre("id", "filename", "bytes", "created_at", "status", "stage", "progress", "pages", "chunks",
                                           "language", "error", "warnings"));
        const bool failed = row.at("id").as_string() == broken;
        EXPECT_EQ(row.at("stage").as_string(), failed ? "failed" : "indexed");
        EXPECT_EQ(row.at("error").is_null(), !failed);
    }
    const auto chunks = live_.get(base + "/files/" + file + "/chunks").json();
    ASSERT_EQ(chunks.at("data").as_array().size(), 2U);
    EXPECT_THAT(keys(chunks.at("data").at(0).as_object()), ElementsAre("id", "ordinal", "text", "headings", "page", "tokens"));
    const auto chunk = live_.get(base + "/chunks/" + std::string(chunks.at("data").at(0).at("id").as_string())).json();
    EXPECT_TRUE(chunk.at("before").is_null());
    EXPECT_THAT(std::string(chunk.at("after").at("text").as_string()), HasSubstr("second class"));
    EXPECT_EQ(chunk.at("filename").as_string(), "doc.txt");

    const auto hit = live_.post(base + "/search", R"({"query":"annual leave","limit":5})").json().at("data").at(0).as_object();
    EXPECT_THAT(keys(hit), ElementsAre("chunk_id", "file_id", "filename", "page", "headings", "text", "score", "dense", "lexical"));
    EXPECT_EQ(hit.at("dense").at("rank").as_int64(), 1);

    models_.model.small = true;
    models_.reply = "25 days [1]";
    const auto answer = live_.post(base + "/ask", R"({"question":"How many days of annual leave do employees get?"})").json();
    EXPECT_THAT(keys(answer), ElementsAre("id", "answer", "kind", "model", "small_model", "citations", "retrieval", "usage", "warnings"));
    EXPECT_EQ(answer.at("kind").as_string(), "generated");
    EXPECT_EQ(answer.at("model").as_string(), "fake-chat");
    EXPECT_THAT(keys(answer.at("citations").at(0).as_object()),
                ElementsAre("marker", "chunk_id", "file_id", "filename", "page", "headings", "quote", "start", "end"));
    EXPECT_EQ(answer.at("usage").at("total_tokens").as_int64(), 15);

    for (const auto& [body, param] : std::vector<std::pair<std::string, std::string>>{{"{}", "question"},
                                                                                      {R"({"question":""})", "question"},
                                                                                      {R"({"question":"x","max_results":21})", "max_results"},
                                                                                      {R"({"question":"x","language":"fr"})", "language"},
                                                                                      {R"({"question":"x","stream":1})", "stream"}}) {
        const auto reply = live_.post(base + "/ask", body);
        EXPECT_EQ(reply.status, 400) << body;
        EXPECT_EQ(reply.error("param"), param) << body;
    }
}

TEST_F(KnowledgeRoutes, AnswersStreamAsNamedEvents) {
    const auto base = "/atrium/v1/knowledge/" + store_with({uploaded("# Leave\nEmployees get 25 days of annual leave.")});
    models_.reply = "Employees get 25 days of annual leave [1].";
    const auto reply = live_.post(base + "/ask", R"({"question":"How many days of annual leave?","stream":true})");
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.header("content-type"), HasSubstr("text/event-stream"));
    http::SseParser parser;
    std::vector<std::string> names;
    std::string text;
    json::object done;
    for (const auto& event : parser.feed(reply.body).value()) {
        names.push_back(event.event);
        const auto data = json::parse_object(event.data).value();
        if (event.event == "delta") text += std::string(data.at("text").as_string());
        if (event.event == "done") done = data;
    }
    EXPECT_EQ(names.front(), "retrieval");
    EXPECT_EQ(names.back(), "done");
    EXPECT_EQ(text, std::string(done.at("answer").as_string()));
    EXPECT_EQ(done.at("kind").as_string(), "generated");
    EXPECT_EQ(live_.post(base + "/ask", R"({"question":"x","model":"nope","stream":true})").status, 404) << "no stream for an error";
}

}  // namespace
}  // namespace atrium::gateway::testing
