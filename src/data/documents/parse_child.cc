#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <new>

#include "base/json.h"
#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/parser.h"
#include "platform/process/child.h"

// The two ends of `atrium parse`: the child that reads a hostile document, and the gateway that believes nothing it says.
namespace atrium::data {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    (defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
/// The shadow memory of a sanitizer alone is terabytes of address space.
constexpr std::uint64_t kMemory = kSanitized ? 0 : 2ull << 30;
constexpr std::chrono::seconds kCpu{120};
constexpr std::chrono::milliseconds kDeadline{180'000};
/// Text doubles at most when escaped, and each block costs a few dozen bytes.
constexpr std::size_t kMaxOutput = 256u << 20;
constexpr int kParseOutOfMemory = 77;

Result<std::string> read_stdin(std::uint64_t limit) {
    std::string bytes;
    std::string buffer(1 << 20, '\0');
    while (true) {
        const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(from_errno(errno, "read the document"));
        if (n == 0) return bytes;
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
        if (bytes.size() > limit) {
            return fail(out_of_range(fmt::format("the file is larger than {} MiB, which is the limit; split it", limit >> 20)).with_reason("invalid_file"));
        }
    }
}

bool write_stdout(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

Result<ParsedDocument> parse_stdin(std::string_view file_name) {
    const ParseLimits limits;
    TRY_ASSIGN(const std::string bytes, read_stdin(limits.input_bytes));
    // The first bytes decide how much the sandbox has to allow, before anything is parsed.
    const bool pdf = std::string_view(bytes).substr(0, 1024).find("%PDF-") != std::string_view::npos;
    const auto confined = process::enter_sandbox(pdf ? process::SandboxProfile::kParserTools : process::SandboxProfile::kParser);
    if (!confined && confined.error().code() != Code::kUnimplemented) return std::unexpected<Error>(confined.error());
    TRY_ASSIGN(const std::string format, detect_format(bytes, file_name));
    TRY_ASSIGN(auto document, make_parser(format)->parse(bytes, limits));
    // An old kernel: the limits on memory, time and files hold all the same, so reading goes on, but not silently.
    if (!confined) document.warnings.push_back("read without a sandbox: " + confined.error().message());
    return document;
}

Result<Code> code_from_name(std::string_view name) {
    for (int code = 0; code <= static_cast<int>(Code::kUnauthenticated); ++code) {
        if (code_name(static_cast<Code>(code)) == name) return static_cast<Code>(code);
    }
    return fail(invalid_argument("unknown code"));
}

/// {"error":{"code","message","reason"}} from the child. It may be compromised: only codes that a document can cause are
/// passed on, and the message is cut.
Error error_from_json(const json::object& object) {
    const auto code = code_from_name(json::string_or(object, "code"));
    const std::string message = text::shorten(json::string_or(object, "message"), 500);
    const std::string_view reason = json::string_or(object, "reason");
    const bool by_document = code && (*code == Code::kInvalidArgument || *code == Code::kOutOfRange || *code == Code::kUnimplemented);
    if (!by_document) return internal_error("the file could not be read").with_cause(internal_error(message));
    return Error(*code, message).with_reason(reason == "unsupported_file" ? "unsupported_file" : "invalid_file");
}

Error child_failure(const process::ChildOutput& output) {
    std::string why = "reading it failed; it may be damaged";
    if (output.timed_out || output.exit_code == 128 + SIGXCPU) why = "it takes too long; it may be damaged, or has to be split";
    else if (output.output_too_large) why = "it holds too much text; split it";
    else if (output.exit_code == kParseOutOfMemory) why = "it needs too much memory; split it";
    return internal::unreadable(fmt::format("the file could not be read: {}", why))
        .with_cause(internal_error(fmt::format("parse child: exit code {}, stderr: {}", output.exit_code, text::shorten(text::to_valid_utf8(output.errors), 2000))));
}

}  // namespace

int run_parse_child(std::string_view file_name) {
    json::object answer;
    int exit_code = 0;
    try {
        auto document = parse_stdin(file_name);
        if (document) {
            answer["document"] = to_json(*document);
        } else {
            const Error& error = document.error();
            answer["error"] = {{"code", code_name(error.code())}, {"message", text::to_valid_utf8(error.message())}, {"reason", error.reason()}};
        }
    } catch (const std::bad_alloc&) {
        return kParseOutOfMemory;
    } catch (const std::exception& error) {  // third-party code; whatever it is, the document caused it
        fmt::print(stderr, "parse: {}\n", error.what());
        return 1;
    }
    if (!write_stdout(json::serialize(answer))) exit_code = 1;
    // The leak check at exit attaches to its own process, for which the sandbox kills it.
    if (kSanitized) ::_exit(exit_code);
    return exit_code;
}

Task<Result<ParsedDocument>> parse_in_child(std::string executable, std::string file_name, std::string bytes, StopToken stop) {
    const ParseLimits limits;
    if (bytes.empty()) co_return fail(internal::unreadable("the file is empty"));
    if (bytes.size() > limits.input_bytes) {
        co_return fail(out_of_range(fmt::format("the file is larger than {} MiB, which is the limit; split it", limits.input_bytes >> 20)).with_reason("invalid_file"));
    }
    process::ChildCommand command;
    command.argv = {std::move(executable), "parse", "--name", std::move(file_name)};
    command.limits.memory_bytes = kMemory;
    command.limits.cpu = kCpu;
    command.limits.open_files = 64;
    command.stdin_bytes = std::move(bytes);
    command.max_output_bytes = kMaxOutput;
    command.deadline = kDeadline;
    CO_TRY_ASSIGN(const auto output, co_await process::run_child(std::move(command), std::move(stop)));
    if (output.exit_code != 0 || output.timed_out || output.output_too_large) co_return fail(child_failure(output));
    const auto answer = json::parse_object(output.output);
    if (!answer) co_return fail(child_failure(output));
    if (const auto* error = answer->if_contains("error"); error != nullptr && error->is_object()) {
        co_return fail(error_from_json(error->get_object()));
    }
    const auto* document = answer->if_contains("document");
    if (document == nullptr) co_return fail(child_failure(output));
    auto parsed = document_from_json(*document);
    if (!parsed) co_return fail(child_failure(output));
    co_return std::move(*parsed);
}

}  // namespace atrium::data
