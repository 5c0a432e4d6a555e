#include "data/documents/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/internal/charset.h"
#include "data/documents/internal/parsers.h"
#include "data/documents/internal/zip.h"

namespace atrium::data {
namespace {

struct Format {
    std::string_view name;
    std::unique_ptr<DocumentParser> (*make)();
};

constexpr std::array<Format, 5> kFormats{{
    {"pdf", internal::make_pdf_parser},
    {"docx", internal::make_docx_parser},
    {"html", internal::make_html_parser},
    {"markdown", internal::make_markdown_parser},
    {"text", internal::make_text_parser},
}};

constexpr std::string_view kSupported = "supported are PDF, Word (.docx), HTML, Markdown and plain text";

Error unsupported(std::string_view what) {
    return invalid_argument(fmt::format("{} cannot be read; {}", what, kSupported)).with_reason("unsupported_file");
}

/// Files of other kinds, by their first bytes, to say what they are instead of "unknown".
struct Magic {
    std::string_view bytes;
    std::string_view what;
};
constexpr std::array<Magic, 13> kForeign{{
    {"\x89PNG", "an image (PNG)"},
    {"\xFF\xD8\xFF", "an image (JPEG)"},
    {"GIF8", "an image (GIF)"},
    {std::string_view("II*\0", 4), "an image (TIFF)"},
    {std::string_view("MM\0*", 4), "an image (TIFF)"},
    {"BM", "an image (BMP)"},
    {"Rar!", "a RAR archive"},
    {"7z\xBC\xAF", "a 7-Zip archive"},
    {"\x1F\x8B", "a gzip archive"},
    {"BZh", "a bzip2 archive"},
    {"\x7F" "ELF", "a program"},
    {"MZ", "a program"},
    {"ID3", "an audio file"},
}};

std::string extension_of(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    return dot == std::string_view::npos ? std::string() : text::to_lower_ascii(name.substr(dot + 1));
}

Result<std::string> detect_zip(std::string_view bytes) {
    const auto members = internal::read_zip(bytes, {}, ParseLimits());
    if (!members) return std::unexpected<Error>(members.error());
    const auto has = [&](std::string_view prefix) {
        return std::any_of(members->begin(), members->end(), [&](const auto& member) { return member.name.starts_with(prefix); });
    };
    if (has("word/document.xml")) return std::string("docx");
    if (has("xl/")) return fail(unsupported("an Excel workbook"));
    if (has("ppt/")) return fail(unsupported("a PowerPoint presentation"));
    if (has("META-INF/container.xml")) return fail(unsupported("an EPUB book"));
    if (has("mimetype")) return fail(unsupported("an OpenDocument file"));
    return fail(unsupported("a ZIP archive"));
}

/// The old Office container also wraps encrypted new documents.
Error ole_error(std::string_view bytes) {
    constexpr std::string_view kEncrypted("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e", 31);
    if (bytes.find(kEncrypted) != std::string_view::npos) {
        return internal::unreadable("the document is protected by a password; remove it and upload the file again");
    }
    return unsupported("an Office file in the old format (.doc, .xls, .ppt; save it in the new format, such as .docx)");
}

bool looks_like_html(std::string_view bytes) {
    const std::string head = text::to_lower_ascii(internal::decode_text(bytes.substr(0, 2048)));
    std::string_view rest = text::trim(head);
    if (rest.starts_with("<?xml")) rest = text::trim(rest.substr(std::min(rest.size(), rest.find("?>") + 2)));
    while (rest.starts_with("<!--")) {
        const std::size_t end = rest.find("-->");
        if (end == std::string_view::npos) break;
        rest = text::trim(rest.substr(end + 3));
    }
    for (const std::string_view start : {"<!doctype html", "<html", "<head", "<body"}) {
        if (rest.starts_with(start)) return true;
    }
    return false;
}

}  // namespace

Result<std::string> detect_format(std::string_view bytes, std::string_view file_name) {
    if (bytes.empty()) return fail(internal::unreadable("the file is empty"));
    if (bytes.substr(0, 1024).find("%PDF-") != std::string_view::npos) return std::string("pdf");
    if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06")) return detect_zip(bytes);
    if (bytes.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return fail(ole_error(bytes));
    if (looks_like_html(bytes)) return std::string("html");
    const std::string extension = extension_of(file_name);
    if (internal::looks_like_text(bytes)) {
        if (bytes.starts_with("{\\rtf")) return fail(unsupported("an RTF document (save it as .docx)"));
        if (extension == "md" || extension == "markdown" || extension == "mdx") return std::string("markdown");
        if (extension == "html" || extension == "htm" || extension == "xhtml") return std::string("html");
        return std::string("text");
    }
    for (const Magic& magic : kForeign) {
        if (bytes.starts_with(magic.bytes)) return fail(unsupported(magic.what));
    }
    return fail(unsupported(extension.empty() ? std::string("this kind of file") : fmt::format("this kind of file (.{})", text::shorten(text::to_valid_utf8(extension), 16))));
}

std::unique_ptr<DocumentParser> make_parser(std::string_view format) {
    for (const Format& candidate : kFormats) {
        if (candidate.name == format) return candidate.make();
    }
    return nullptr;
}

std::vector<std::string_view> supported_formats() {
    std::vector<std::string_view> names;
    for (const Format& format : kFormats) names.push_back(format.name);
    return names;
}

}  // namespace atrium::data
