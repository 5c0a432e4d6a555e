#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "data/documents/document.h"
#include "platform/async/task.h"

namespace atrium::data {

/// Limits on one document; beyond them parsing fails with kOutOfRange that names the limit.
struct ParseLimits {
    std::uint64_t input_bytes = 512ull << 20;
    std::uint64_t text_bytes = 64ull << 20;
    std::uint64_t unpacked_bytes = 512ull << 20;  ///< all members of an archive together
    int archive_members = 20'000;
    int nesting = 256;  ///< XML/HTML depth
    int pages = 5'000;
};

/// Turns bytes into blocks. Implementations (text, Markdown, HTML, PDF, DOCX) run inside `atrium parse`, never in the
/// gateway. Input is hostile. Single-threaded. A file that cannot be read is kInvalidArgument with a reason a person
/// understands: "the PDF is encrypted; remove the password and upload it again".
class DocumentParser {
public:
    virtual ~DocumentParser() = default;
    virtual std::string_view format() const = 0;  ///< "pdf"
    virtual Result<ParsedDocument> parse(std::string_view bytes, const ParseLimits& limits) = 0;
};

/// The format by content first, file name second: "pdf", "docx", "html", "markdown", "text"; or kInvalidArgument that
/// lists what is supported (reason "unsupported_file").
Result<std::string> detect_format(std::string_view bytes, std::string_view file_name);

/// All parsers, by format. To add one: a file in this folder and a line in this function.
std::unique_ptr<DocumentParser> make_parser(std::string_view format);
std::vector<std::string_view> supported_formats();

/// The main function of `atrium parse`: reads the document on stdin, writes {"document":…} or {"error":…} on stdout.
int run_parse_child(std::string_view file_name);

/// Runs `atrium parse` in a sandboxed child and returns what it found. `executable` is this program.
/// A crash, a timeout or too much memory is kInvalidArgument ("the file could not be read: …"), never a crash here.
Task<Result<ParsedDocument>> parse_in_child(std::string executable, std::string file_name, std::string bytes,
                                            StopToken stop);

}  // namespace atrium::data
