#include "data/documents/internal/test_documents.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>

#include <array>

namespace atrium::data::test {

Result<ParsedDocument> parse(std::string_view format, std::string_view bytes) { return make_parser(format)->parse(bytes, ParseLimits()); }

std::string describe(const Result<ParsedDocument>& document) {
    if (!document) return "error: " + document.error().message();
    std::string out;
    for (const Block& block : document->blocks) {
        if (!out.empty()) out += '|';
        constexpr std::array<std::string_view, 5> kLetters{"H", "P", "L", "T", "C"};
        out += kLetters[static_cast<std::size_t>(block.kind)];
        if (block.kind == BlockKind::kHeading) out += std::to_string(block.level);
        out += " " + block.text;
    }
    return out;
}

std::string error_of(const Result<ParsedDocument>& document) { return document ? "no error" : document.error().message(); }

std::string repeat(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

std::string encode(std::string_view utf8, const char* charset) {
    const auto text = icu::UnicodeString::fromUTF8(icu::StringPiece(utf8.data(), static_cast<std::int32_t>(utf8.size())));
    UErrorCode status = U_ZERO_ERROR;
    UConverter* converter = ucnv_open(charset, &status);
    std::string out(utf8.size() * 4 + 16, '\0');
    const std::int32_t size = ucnv_fromUChars(converter, out.data(), static_cast<std::int32_t>(out.size()), text.getBuffer(), text.length(), &status);
    out.resize(static_cast<std::size_t>(size));
    ucnv_close(converter);
    return out;
}

std::string zip(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string out;
    archive* writer = archive_write_new();
    archive_write_set_format_zip(writer);
    archive_write_set_bytes_in_last_block(writer, 1);
    archive_write_open2(writer, &out, nullptr, [](archive*, void* target, const void* data, std::size_t size) -> la_ssize_t {
        static_cast<std::string*>(target)->append(static_cast<const char*>(data), size);
        return static_cast<la_ssize_t>(size);
    }, nullptr, nullptr);
    for (const auto& [name, content] : members) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, name.c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_write_header(writer, entry);
        archive_write_data(writer, content.data(), content.size());
        archive_entry_free(entry);
    }
    archive_write_close(writer);
    archive_write_free(writer);
    return out;
}

std::string docx(std::string_view body, const std::vector<std::pair<std::string, std::string>>& parts) {
    std::vector<std::pair<std::string, std::string>> members{
        {"[Content_Types].xml", "<Types/>"},
        {"word/document.xml", fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document xmlns:w=\"w\"><w:body>{}</w:body></w:document>", body)}};
    members.insert(members.end(), parts.begin(), parts.end());
    return zip(members);
}

std::string p(std::string_view text, std::string_view style) {
    const std::string properties = style.empty() ? "" : fmt::format("<w:pPr><w:pStyle w:val=\"{}\"/></w:pPr>", style);
    return fmt::format("<w:p>{}<w:r><w:t>{}</w:t></w:r></w:p>", properties, text);
}

std::string numbered(std::string_view text, int list, int level) {
    return fmt::format("<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{}\"/><w:numId w:val=\"{}\"/></w:numPr></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>", level, list, text);
}

std::string styles(const std::vector<StyleRow>& rows) {
    std::string out = "<w:styles xmlns:w=\"w\">";
    for (const StyleRow& row : rows) {
        out += fmt::format("<w:style w:styleId=\"{}\"><w:name w:val=\"{}\"/><w:basedOn w:val=\"{}\"/>{}</w:style>", row.id, row.name, row.based_on,
                           row.name.starts_with("heading") ? fmt::format("<w:pPr><w:outlineLvl w:val=\"{}\"/></w:pPr>", row.name.back() - '1') : "");
    }
    return out + "</w:styles>";
}

std::string numbering(const std::vector<std::vector<std::pair<std::string, std::string>>>& lists) {
    std::string out = "<w:numbering xmlns:w=\"w\">";
    for (std::size_t i = 0; i < lists.size(); ++i) {
        out += fmt::format("<w:abstractNum w:abstractNumId=\"{}\">", i);
        for (std::size_t level = 0; level < lists[i].size(); ++level) {
            out += fmt::format("<w:lvl w:ilvl=\"{}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{}\"/><w:lvlText w:val=\"{}\"/></w:lvl>", level,
                               lists[i][level].first, lists[i][level].second);
        }
        out += "</w:abstractNum>";
    }
    for (std::size_t i = 0; i < lists.size(); ++i) {
        out += fmt::format("<w:num w:numId=\"{}\"><w:abstractNumId w:val=\"{}\"/></w:num>", i + 1, i);
    }
    return out + "</w:numbering>";
}

std::string pdf(const std::vector<std::vector<PdfText>>& pages, bool encrypted, std::string_view title) {
    std::string out = "%PDF-1.4\n";
    std::vector<std::size_t> offsets;
    const auto object = [&](const std::string& content) {
        offsets.push_back(out.size());
        out += fmt::format("{} 0 obj\n{}\nendobj\n", offsets.size(), content);
    };
    std::string kids;
    for (std::size_t i = 0; i < pages.size(); ++i) kids += fmt::format("{} 0 R ", 4 + 2 * i);
    object("<< /Type /Catalog /Pages 2 0 R >>");
    object(fmt::format("<< /Type /Pages /Kids [{}] /Count {} >>", kids, pages.size()));
    object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    for (std::size_t i = 0; i < pages.size(); ++i) {
        std::string content = pages[i].empty() ? "50 50 400 400 re f\n" : "";
        for (const PdfText& text : pages[i]) {
            content += fmt::format("BT /F1 {} Tf {} {} Td ({}) Tj ET\n", text.size, text.x, text.y, text.text);
        }
        object(fmt::format("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>", 5 + 2 * i));
        object(fmt::format("<< /Length {} >>\nstream\n{}endstream", content.size(), content));
    }
    object(fmt::format("<< /Title ({}) >>", title));
    const std::size_t info = offsets.size();
    if (encrypted) {
        const std::string key(64, '0');
        object(fmt::format("<< /Filter /Standard /V 1 /R 2 /O <{}> /U <{}> /P -4 >>", key, key));
    }
    const std::size_t table = out.size();
    out += fmt::format("xref\n0 {}\n0000000000 65535 f \n", offsets.size() + 1);
    for (const std::size_t offset : offsets) out += fmt::format("{:010} 00000 n \n", offset);
    out += fmt::format("trailer\n<< /Size {} /Root 1 0 R /Info {} 0 R {} >>\nstartxref\n{}\n%%EOF\n", offsets.size() + 1, info,
                       encrypted ? fmt::format("/Encrypt {} 0 R /ID [<00> <00>]", info + 1) : "", table);
    return out;
}

}  // namespace atrium::data::test
