// Every transcript under tests/golden/upstream/<dialect>/ against its dialect:
//   NAME.request.json  {"call":{…},"options":{…},"request":…,"native":…} → "wire" in NAME.wire.json
//   NAME.answer.json   a provider's whole answer → NAME.openai.json
//   NAME.sse, .ndjson  a provider's stream → NAME.chunks, one chunk per line
// ATRIUM_GOLDEN_WRITE=1 writes the right-hand sides anew, to be read before they are committed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/upstream/internal/dialect_testing.h"
#include "model/upstream/internal/ndjson_parser.h"

namespace atrium::model {
namespace {

namespace fs = std::filesystem;
using testing::parse;

const fs::path kRoot = "tests/golden/upstream";

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Two spaces per level, one member per line: what a diff can show.
void print(std::string& out, const json::value& value, std::size_t depth = 0) {
    const std::string margin(2 * depth + 2, ' ');
    const auto close = [&](char bracket) { out += '\n' + std::string(2 * depth, ' ') + bracket; };
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        out += '{';
        for (bool first = true; const auto& [key, member] : *object) {
            out += first ? "\n" : ",\n";
            first = false;
            out += margin + json::serialize(json::value(key)) + ": ";
            print(out, member, depth + 1);
        }
        return close('}');
    }
    if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
        out += '[';
        for (bool first = true; const auto& item : *array) {
            out += first ? "\n" : ",\n";
            first = false;
            out += margin;
            print(out, item, depth + 1);
        }
        return close(']');
    }
    out += json::serialize(value);
}

std::string printed(const json::value& value) {
    std::string out;
    print(out, value);
    return out + "\n";
}

void compare(const fs::path& expected, const std::string& actual) {
    if (std::getenv("ATRIUM_GOLDEN_WRITE") != nullptr) {
        std::ofstream(expected, std::ios::binary) << actual;
        return;
    }
    EXPECT_EQ(read_file(expected), actual) << expected;
}

/// Without what differs from run to run: the time, and an id made up where the provider gives none.
json::object repeatable(json::object answer) {
    if (answer.contains("created")) answer["created"] = 0;
    const std::string_view id = json::string_or(answer, "id");
    for (const std::string_view prefix : {"chatcmpl-", "cmpl-", "rerank-"}) {
        if (id.starts_with(prefix) && id.size() == prefix.size() + 24) {
            answer["id"] = std::string(prefix) + "…";
            break;
        }
    }
    return answer;
}

UpstreamCall make_call(const json::object& spec) {
    UpstreamCall call;
    call.model = "served-model";
    if (const auto* given = spec.if_contains("call")) {
        const auto& object = given->as_object();
        if (const auto model = json::string_or(object, "model"); !model.empty()) call.model = model;
        call.stream = object.contains("stream") && object.at("stream").as_bool();
        for (const auto operation : {Operation::kCompletion, Operation::kEmbedding, Operation::kRerank,
                                     Operation::kTokenize, Operation::kDetokenize, Operation::kModeration}) {
            if (json::string_or(object, "operation") == operation_name(operation)) call.operation = operation;
        }
    }
    auto request = std::make_shared<ModelRequest>();
    if (const auto* body = spec.if_contains("request")) request->object = body->as_object();
    if (const auto* native = spec.if_contains("native")) {
        request->native.emplace();
        request->native->wire = json::string_or(native->as_object(), "wire") == "responses" ? Wire::kOpenAiResponses
                                                                                            : Wire::kAnthropicMessages;
        request->native->text = json::serialize(native->at("body"));
        for (const auto& [key, value] : native->at("headers").as_object())
            request->native->headers.add(std::string(key), std::string(value.as_string()));
    }
    call.request = std::move(request);
    return call;
}

UpstreamOptions make_options(const json::object& spec) {
    UpstreamOptions options;
    options.api_key = "the-key";
    if (const auto* given = spec.if_contains("options")) {
        options.base_url = json::string_or(given->as_object(), "base_url");
        options.api_version = json::string_or(given->as_object(), "api_version");
    }
    return options;
}

/// The call an answer belongs to: NAME.request.json beside it, or a plain one.
UpstreamCall call_beside(const fs::path& stem) {
    const fs::path request = stem.string() + ".request.json";
    return make_call(fs::exists(request) ? parse(read_file(request)) : json::object());
}

void check_request(const Dialect& dialect, const fs::path& file, const std::string& stem) {
    const auto spec = parse(read_file(file));
    const auto call = make_call(spec);
    const auto wire = dialect.encode(call, make_options(spec));
    ASSERT_TRUE(wire) << file << wire.error().to_string();
    json::object seen{{"path", wire->path}};
    json::object headers;
    for (const auto& [name, value] : wire->headers) headers[name] = value;
    seen["headers"] = std::move(headers);
    seen["body"] = json::parse(wire->body).value();
    compare(stem + ".wire.json", printed(seen));
}

void check_answer(const Dialect& dialect, const fs::path& file, const std::string& stem) {
    auto answer = json::parse(read_file(file)).value();
    auto object = answer.is_array() ? json::object{{"items", answer}} : answer.as_object();
    const auto decoded = dialect.decode(call_beside(stem), std::move(object));
    ASSERT_TRUE(decoded) << file << decoded.error().to_string();
    compare(stem + ".openai.json", printed(repeatable(*decoded)));
}

void check_stream(const Dialect& dialect, const fs::path& file, const std::string& stem) {
    const auto text = read_file(file);
    std::vector<http::SseEvent> events;
    if (file.extension() == ".sse") {
        http::SseParser parser;
        events = parser.feed(text).value();
    } else {
        NdjsonParser parser;
        events = parser.feed(text).value();
    }
    auto call = call_beside(stem);
    call.stream = true;
    const auto decoder = dialect.decoder(call);
    std::vector<std::string> chunks;
    Result<> outcome;
    for (std::size_t i = 0; i < events.size() && outcome; ++i) outcome = decoder->decode(events[i], chunks);
    if (outcome) outcome = decoder->finish(chunks);
    std::string seen;
    for (const auto& chunk : chunks)
        seen += (chunk == "[DONE]" ? chunk : json::serialize(repeatable(parse(chunk)))) + "\n";
    if (!outcome) {
        seen += "error " + std::string(code_name(outcome.error().code())) + " " + outcome.error().reason() + " " +
                outcome.error().message() + "\n";
    }
    compare(stem + ".chunks", seen);
}

TEST(DialectGolden, EveryTranscript) {
    std::size_t checked = 0;
    for (const auto& folder : fs::directory_iterator(kRoot)) {
        const Dialect* dialect = find_dialect(folder.path().filename().string());
        ASSERT_NE(dialect, nullptr) << folder.path();
        for (const auto& file : fs::directory_iterator(folder)) {
            const auto name = file.path().filename().string();
            const auto stem = (folder.path() / name.substr(0, name.find('.'))).string();
            ++checked;
            if (name.ends_with(".request.json"))
                check_request(*dialect, file, stem);
            else if (name.ends_with(".answer.json"))
                check_answer(*dialect, file, stem);
            else if (name.ends_with(".sse") || name.ends_with(".ndjson"))
                check_stream(*dialect, file, stem);
        }
    }
    EXPECT_GT(checked, 20u);
}

}  // namespace
}  // namespace atrium::model
