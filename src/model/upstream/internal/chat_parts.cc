// The parts of a message: text, pictures, documents, sounds.
#include "model/upstream/internal/chat_parts.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "model/upstream/internal/json_access.h"

namespace atrium::model {
namespace {

std::string type_from_name(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kTypes{{
        {".pdf", "application/pdf"},
        {".txt", "text/plain"},
        {".md", "text/plain"},
        {".csv", "text/csv"},
        {".html", "text/html"},
        {".json", "text/plain"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".wav", "audio/wav"},
        {".mp3", "audio/mp3"},
        {".mp4", "video/mp4"},
    }};
    const auto lower = text::to_lower_ascii(name);
    for (const auto& [ending, type] : kTypes) {
        if (lower.ends_with(ending)) return std::string(type);
    }
    return {};
}

/// "data:image/png;base64,iVBOR…" (RFC 2397); anything else is a place.
Result<ChatMedia> read_media(std::string_view url, const std::string& path) {
    ChatMedia media;
    if (!url.starts_with("data:")) {
        media.url = url;
        media.type = type_from_name(url.substr(0, url.find('?')));
        return media;
    }
    const auto comma = url.find(',');
    if (comma == std::string_view::npos) return fail(wrong(path, "is not a data URL: there is no comma"));
    auto head = url.substr(5, comma - 5);
    if (!head.ends_with(";base64")) return fail(wrong(path, "has to be a data URL in base64"));
    head.remove_suffix(7);
    media.type = text::to_lower_ascii(head.substr(0, head.find(';')));
    media.data = url.substr(comma + 1);
    if (media.data.empty()) return fail(wrong(path, "holds no data"));
    return media;
}

Result<> read_file(const json::object& object, ChatPart& part) {
    const auto* file = object_at(object, "file");
    if (file == nullptr) return fail(wrong(part.path + ".file", "must be an object"));
    part.file_id = string_at(*file, "file_id");
    const auto data = string_at(*file, "file_data");
    if (data.empty()) {
        if (part.file_id.empty()) return fail(wrong(part.path + ".file", "needs file_data or file_id"));
        return {};
    }
    const auto name = string_at(*file, "filename");
    if (data.starts_with("data:") || data.starts_with("https://") || data.starts_with("http://")) {
        TRY_ASSIGN(part.media, read_media(data, part.path + ".file.file_data"));
    } else {
        part.media.data = data;
    }
    part.media.name = name;
    if (part.media.type.empty() || part.media.type == "application/octet-stream")
        part.media.type = type_from_name(name);
    return {};
}

Result<> read_audio(const json::object& object, ChatPart& part) {
    const auto* audio = object_at(object, "input_audio");
    if (audio == nullptr) return fail(wrong(part.path + ".input_audio", "must be an object"));
    part.media.data = string_at(*audio, "data");
    part.media.type = "audio/" + std::string(string_at(*audio, "format"));
    if (part.media.data.empty()) return fail(wrong(part.path + ".input_audio.data", "must be a string"));
    return {};
}

Result<> read_image(const json::object& object, ChatPart& part) {
    const auto* value = object.if_contains("image_url");
    std::string_view url;
    if (value != nullptr && value->is_string()) url = view(value->get_string());
    if (const auto* image = object_at(object, "image_url")) {
        url = string_at(*image, "url");
        part.media.detail = string_at(*image, "detail");
    }
    if (url.empty()) return fail(wrong(part.path + ".image_url.url", "must be a string"));
    const auto detail = part.media.detail;
    TRY_ASSIGN(part.media, read_media(url, part.path + ".image_url.url"));
    part.media.detail = detail;
    return {};
}

}  // namespace

Error wrong(const std::string& path, std::string_view what) {
    return invalid_argument(fmt::format("{} {}", path, what)).with_field(path);
}

Result<ChatPart> read_part(const json::value& value, std::string path) {
    const auto* object = value.if_object();
    if (object == nullptr) return fail(wrong(path, "must be an object"));
    ChatPart part;
    part.path = std::move(path);
    part.cache_control = present(*object, "cache_control");
    const auto type = string_at(*object, "type");
    if (type == "text" || type == "refusal") {
        part.kind = type == "text" ? ChatPart::Kind::kText : ChatPart::Kind::kRefusal;
        const auto* text = object->if_contains(type);
        if (text == nullptr || !text->is_string())
            return fail(wrong(fmt::format("{}.{}", part.path, type), "must be a string"));
        part.text = view(text->get_string());
    } else if (type == "image_url") {
        part.kind = ChatPart::Kind::kImage;
        TRY(read_image(*object, part));
    } else if (type == "file") {
        part.kind = ChatPart::Kind::kFile;
        TRY(read_file(*object, part));
    } else if (type == "input_audio") {
        part.kind = ChatPart::Kind::kAudio;
        TRY(read_audio(*object, part));
    } else {
        return fail(wrong(part.path + ".type", "must be one of text, image_url, file, input_audio, refusal"));
    }
    return part;
}

}  // namespace atrium::model
