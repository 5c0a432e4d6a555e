// The GGUF reader against arbitrary bytes. The first eight bytes choose a file size, so that prefixes of larger files
// are tried too; what the reader accepts is decoded completely.
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "model/catalog/gguf_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace atrium;
    if (size < 8) return 0;
    std::uint64_t extra = 0;
    std::memcpy(&extra, data, 8);
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 8, size - 8);
    for (const std::uint64_t file_bytes : {std::uint64_t{bytes.size()}, bytes.size() + (extra & 0xffffffffff)}) {
        const auto header = model::parse_gguf(bytes, file_bytes);
        if (!header) {
            CHECK(header.error().code() == Code::kInvalidArgument ||
                  (header.error().code() == Code::kOutOfRange && file_bytes > bytes.size()));
            continue;
        }
        for (const model::GgufTensor& tensor : header->tensors) {
            CHECK(header->data_offset + tensor.offset + tensor.bytes <= file_bytes);
        }
        std::size_t decoded = 0;
        for (const model::GgufEntry& entry : header->metadata) {
            decoded += entry.as_string().has_value() + entry.as_number().has_value() + entry.as_bool().has_value();
            for (const std::string_view text : entry.as_strings()) decoded += text.size();
        }
        CHECK(decoded <= bytes.size() + 2 * header->metadata.size());
        if (model::check_gguf_metadata(*header)) CHECK(header->string("general.architecture").has_value());
    }
    return 0;
}
