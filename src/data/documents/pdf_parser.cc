#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/parsers.h"
#include "data/documents/internal/pdf_layout.h"
#include "platform/async/runtime.h"
#include "platform/process/child.h"

namespace atrium::data::internal {
namespace {

constexpr int kPagesPerRun = 200;  // the tool writes some 100 bytes per word; this bounds what is held at once
constexpr std::size_t kMaxToolOutput = 512u << 20;

/// Where the poppler tools are; the sandbox lets nothing outside the system's folders run.
Result<std::string> find_tool(std::string_view name) {
    for (const std::string_view folder : {"/usr/bin", "/usr/local/bin", "/bin", "/opt/homebrew/bin"}) {
        const std::string path = fmt::format("{}/{}", folder, name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return fail(unimplemented(fmt::format("PDF files cannot be read: the program {} is missing; install poppler-utils", name)));
}

Result<process::ChildOutput> run_tool(std::string_view name, std::vector<std::string> arguments, std::string_view pdf) {
    TRY_ASSIGN(std::string path, find_tool(name));
    process::ChildCommand command;
    command.argv = {std::move(path)};
    command.argv.insert(command.argv.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
    command.environment = {"LC_ALL=C.UTF-8"};
    command.stdin_bytes = pdf;
    command.max_output_bytes = kMaxToolOutput;
    command.deadline = std::chrono::seconds(170);  // the parse child itself ends after 180
    TRY_ASSIGN(auto output, run_blocking(process::run_child(std::move(command))));
    if (output.timed_out) return fail(unreadable("the PDF takes too long to read; it may be damaged"));
    if (output.output_too_large) return fail(out_of_range("the PDF holds too much text; split it").with_reason("invalid_file"));
    return output;
}

/// What poppler says on stderr, in words for the person who uploaded the file.
Error tool_failure(const process::ChildOutput& output) {
    if (output.errors.find("Incorrect password") != std::string::npos) {
        return unreadable("the PDF is encrypted; remove the password and upload it again");
    }
    if (output.exit_code == 3) return unreadable("the PDF forbids extracting its text; upload a copy without that restriction");
    if (output.exit_code >= 128) return unreadable("the PDF is damaged: reading it failed");
    return unreadable("the PDF is damaged or cut off: its pages cannot be read");
}

struct Information {
    int pages = 0;
    std::string title;
};

Result<Information> read_information(std::string_view pdf) {
    TRY_ASSIGN(const auto output, run_tool("pdfinfo", {"-enc", "UTF-8", "-"}, pdf));
    if (output.exit_code != 0) return fail(tool_failure(output));
    Information information;
    for (const std::string_view line : text::split(output.output, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string_view key = line.substr(0, colon);
        const std::string_view value = text::trim(line.substr(colon + 1));
        if (key == "Title") information.title = value;
        if (key == "Pages") information.pages = static_cast<int>(std::min<std::int64_t>(text::to_int(value).value_or(0), 1'000'000));
    }
    return information;
}

/// Producers put file names and their own names into the title.
bool is_meaningful_title(std::string_view title) {
    const std::string lower = text::to_lower_ascii(title);
    const bool file_name = std::any_of(lower.begin(), lower.end(), [](char c) { return c == '.'; }) && lower.find(' ') == std::string::npos;
    return lower.size() > 3 && !file_name && !lower.starts_with("microsoft ") && !lower.starts_with("untitled") && !lower.starts_with("about:");
}

class PdfParser final : public DocumentParser {
public:
    std::string_view format() const override { return "pdf"; }

    Result<ParsedDocument> parse(std::string_view bytes, const ParseLimits& limits) override {
        TRY_ASSIGN(const Information information, read_information(bytes));
        if (information.pages <= 0) return fail(unreadable("the PDF has no pages"));
        if (information.pages > limits.pages) {
            return fail(out_of_range(fmt::format("the PDF has {} pages; the limit is {}; split it", information.pages, limits.pages))
                            .with_reason("invalid_file"));
        }
        TRY_ASSIGN(auto pages, read_pages(bytes, information.pages, limits));
        BlockWriter writer(limits);
        TRY(warn_about_scans(pages, information.pages, writer));
        pdf::remove_furniture(pages);
        TRY(pdf::write_blocks(pages, writer));
        if (is_meaningful_title(information.title)) writer.set_title(information.title);
        return writer.finish(information.pages, "the PDF holds no text");
    }

private:
    static Result<std::vector<pdf::Page>> read_pages(std::string_view bytes, int count, const ParseLimits& limits) {
        std::vector<pdf::Page> pages;
        std::uint64_t text_bytes = 0;
        for (int first = 1; first <= count; first += kPagesPerRun) {
            const int last = std::min(first + kPagesPerRun - 1, count);
            TRY_ASSIGN(const auto output, run_tool("pdftotext", {"-bbox-layout", "-enc", "UTF-8", "-f", std::to_string(first), "-l", std::to_string(last), "-", "-"}, bytes));
            if (output.exit_code != 0) return fail(tool_failure(output));
            for (auto& page : pdf::read_layout(output.output, first)) {
                for (const pdf::Line& line : page.lines) text_bytes += line.text.size();
                pages.push_back(std::move(page));
            }
            if (text_bytes > limits.text_bytes) {
                return fail(out_of_range(fmt::format("the PDF holds more than {} MiB of text, which is the limit; split it", limits.text_bytes >> 20))
                                .with_reason("invalid_file"));
            }
        }
        return pages;
    }

    static Result<> warn_about_scans(const std::vector<pdf::Page>& pages, int count, BlockWriter& writer) {
        std::vector<int> empty;
        for (const pdf::Page& page : pages) {
            if (page.lines.empty()) empty.push_back(page.number);
        }
        if (static_cast<int>(empty.size()) >= count) {
            return fail(unreadable("the pages of the PDF are scanned images without a text layer, and recognising text in images (OCR) "
                                   "is not enabled; upload a PDF with text"));
        }
        constexpr std::size_t kListed = 10;
        std::string list;
        for (std::size_t i = 0; i < std::min(empty.size(), kListed); ++i) list += fmt::format("{}{}", i == 0 ? "" : ", ", empty[i]);
        if (empty.size() == 1) writer.warn(fmt::format("page {} has no text layer (a scanned image, or blank) and was skipped", list));
        if (empty.size() > 1) {
            writer.warn(fmt::format("{} pages have no text layer (scanned images, or blank) and were skipped: {}{}", empty.size(), list,
                                    empty.size() > kListed ? ", …" : ""));
        }
        return {};
    }
};

}  // namespace

std::unique_ptr<DocumentParser> make_pdf_parser() { return std::make_unique<PdfParser>(); }

}  // namespace atrium::data::internal
