#include "model/catalog/gguf_reader.h"

#include <fmt/format.h>

#include <bit>
#include <concepts>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "base/text.h"

static_assert(std::endian::native == std::endian::little, "GGUF is read in place; this machine is big-endian");

namespace atrium::model {
namespace {

constexpr std::uint64_t kMaxEntries = 65'536;
constexpr std::uint64_t kMaxTensors = 65'536;
constexpr std::uint64_t kMaxKeyBytes = 65'535;
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr std::uint64_t kMaxHeaderBytes = 128ull << 20;
constexpr std::uint64_t kSmallestEntry = 8 + 4 + 1;           // empty-ish key, type, one byte
constexpr std::uint64_t kSmallestTensor = 8 + 4 + 8 + 4 + 8;  // name, n_dims, one dimension, type, offset

/// Names from the file appear in messages: shortened, without control characters.
std::string shown(std::string_view name) {
    std::string clean = text::shorten(text::to_valid_utf8(name), 64);
    for (char& c : clean) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return "'" + clean + "'";
}

template <class T>
T load(std::string_view bytes, std::size_t offset = 0) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// Walks the prefix. Running past it is kOutOfRange while the file goes on, kInvalidArgument at the file's end.
class Cursor {
public:
    Cursor(std::string_view prefix, std::uint64_t file_bytes) : prefix_(prefix), file_bytes_(file_bytes) {}

    std::uint64_t position() const { return position_; }
    std::uint64_t left_in_file() const { return file_bytes_ - position_; }

    /// `what` names the thing for the message, e.g. "the value of 'general.name'".
    template <class What>
    Result<std::string_view> take(std::uint64_t count, const What& what) {
        if (count > left_in_file()) {
            return fail(invalid_argument(fmt::format("truncated: {} needs {} bytes at offset {}, the file has {}",
                                                     describe(what), count, position_, file_bytes_)));
        }
        if (count > prefix_.size() - position_) return fail(out_of_range("the header is longer than what was read"));
        const std::string_view taken = prefix_.substr(position_, count);
        position_ += count;
        return taken;
    }
    template <class T, class What>
    Result<T> number(const What& what) {
        TRY_ASSIGN(const std::string_view bytes, take(sizeof(T), what));
        return load<T>(bytes);
    }
    template <class What>
    Result<std::string_view> string(const What& what) {
        TRY_ASSIGN(const std::uint64_t length, number<std::uint64_t>(what));
        return take(length, what);
    }

private:
    static std::string describe(std::string_view what) { return std::string(what); }
    template <class What>
        requires std::invocable<What>
    static std::string describe(const What& what) {
        return what();
    }

    std::string_view prefix_;
    std::uint64_t file_bytes_;
    std::uint64_t position_ = 0;
};

Result<> read_array(Cursor& cursor, GgufEntry& entry) {
    const auto what = [&] { return fmt::format("the array {}", shown(entry.key)); };
    TRY_ASSIGN(const auto element, cursor.number<std::uint32_t>(what));
    entry.element = static_cast<GgufType>(element);
    if (entry.element == GgufType::kArray) {
        return fail(
            invalid_argument(fmt::format("the array {} holds arrays, which no reader supports", shown(entry.key))));
    }
    const std::size_t width = gguf_type_bytes(entry.element);
    if (width == 0 && entry.element != GgufType::kString) {
        return fail(
            invalid_argument(fmt::format("the array {} has the unknown element type {}", shown(entry.key), element)));
    }
    TRY_ASSIGN(entry.count, cursor.number<std::uint64_t>(what));
    const std::uint64_t smallest = width == 0 ? 8 : width;
    if (entry.count > cursor.left_in_file() / smallest) {
        return fail(invalid_argument(fmt::format("the array {} claims {} elements, more than the file can hold",
                                                 shown(entry.key), entry.count)));
    }
    if (width != 0) {
        TRY_ASSIGN(const std::string_view bytes, cursor.take(entry.count * width, what));
        entry.bytes = bytes;
        return {};
    }
    for (std::uint64_t i = 0; i < entry.count; ++i) {
        TRY_ASSIGN(const std::string_view item, cursor.string(what));
        const std::uint64_t length = item.size();
        entry.bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
        entry.bytes.append(item);
    }
    return {};
}

Result<GgufEntry> read_entry(Cursor& cursor, std::uint64_t index) {
    GgufEntry entry;
    const auto unnamed = [index] { return fmt::format("metadata entry {}", index); };
    TRY_ASSIGN(const std::string_view key, cursor.string(unnamed));
    if (key.empty() || key.size() > kMaxKeyBytes) {
        return fail(invalid_argument(fmt::format("metadata entry {} has a key of {} bytes", index, key.size())));
    }
    if (!text::is_utf8(key) || key.find('\0') != std::string_view::npos) {
        return fail(invalid_argument(fmt::format("the key of metadata entry {} is not text", index)));
    }
    entry.key = key;
    const auto what = [&] { return fmt::format("the value of {}", shown(entry.key)); };
    TRY_ASSIGN(const auto type, cursor.number<std::uint32_t>(what));
    entry.type = static_cast<GgufType>(type);
    if (entry.type == GgufType::kArray) {
        TRY(read_array(cursor, entry));
        return entry;
    }
    if (entry.type == GgufType::kString) {
        TRY_ASSIGN(const std::string_view value, cursor.string(what));
        entry.bytes = value;
        return entry;
    }
    const std::size_t width = gguf_type_bytes(entry.type);
    if (width == 0) return fail(invalid_argument(fmt::format("{} has the unknown type {}", shown(entry.key), type)));
    TRY_ASSIGN(const std::string_view value, cursor.take(width, what));
    entry.bytes = value;
    return entry;
}

Result<std::uint64_t> read_alignment(const GgufHeader& header) {
    const GgufEntry* entry = header.find("general.alignment");
    if (entry == nullptr) return kGgufDefaultAlignment;
    if (entry->type != GgufType::kUint32) {
        return fail(
            invalid_argument(fmt::format("general.alignment is {}, it must be uint32", gguf_type_name(entry->type))));
    }
    const std::uint64_t alignment = load<std::uint32_t>(entry->bytes);
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > kMaxAlignment) {
        return fail(invalid_argument(
            fmt::format("general.alignment is {}, it must be a power of two from 8 to {}", alignment, kMaxAlignment)));
    }
    return alignment;
}

/// Product of the dimensions in bytes of this type; nothing on overflow.
Result<std::uint64_t> tensor_bytes(const GgufTensor& tensor) {
    const auto layout = tensor_layout(tensor.type);
    if (!layout)
        return fail(
            invalid_argument(fmt::format("tensor {} has the unknown type {}", shown(tensor.name), tensor.type)));
    if (tensor.dimensions.front() % layout->weights != 0) {
        return fail(invalid_argument(fmt::format("tensor {} of type {} has rows of {} values, not a multiple of {}",
                                                 shown(tensor.name), layout->name, tensor.dimensions.front(),
                                                 layout->weights)));
    }
    std::uint64_t values = 1;
    for (const std::uint64_t dimension : tensor.dimensions) {
        if (dimension == 0 || __builtin_mul_overflow(values, dimension, &values) ||
            values > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            return fail(invalid_argument(fmt::format("tensor {} has an impossible shape", shown(tensor.name))));
        }
    }
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(values / layout->weights, std::uint64_t{layout->bytes}, &bytes)) {
        return fail(invalid_argument(fmt::format("tensor {} has an impossible shape", shown(tensor.name))));
    }
    return bytes;
}

Result<GgufTensor> read_tensor(Cursor& cursor, std::uint64_t index) {
    GgufTensor tensor;
    const auto unnamed = [index] { return fmt::format("tensor {}", index); };
    TRY_ASSIGN(const std::string_view name, cursor.string(unnamed));
    if (name.empty() || name.size() > kGgufMaxTensorName || !text::is_utf8(name) ||
        name.find('\0') != std::string_view::npos) {
        return fail(invalid_argument(fmt::format("tensor {} has a name of {} bytes; 1 to {} of text are allowed", index,
                                                 name.size(), kGgufMaxTensorName)));
    }
    tensor.name = name;
    const auto what = [&] { return fmt::format("the entry of tensor {}", shown(tensor.name)); };
    TRY_ASSIGN(const auto dimensions, cursor.number<std::uint32_t>(what));
    if (dimensions == 0 || dimensions > kGgufMaxDimensions) {
        return fail(invalid_argument(
            fmt::format("tensor {} has {} dimensions, 1 to 4 are allowed", shown(tensor.name), dimensions)));
    }
    for (std::uint32_t i = 0; i < dimensions; ++i) {
        TRY_ASSIGN(const auto dimension, cursor.number<std::uint64_t>(what));
        tensor.dimensions.push_back(dimension);
    }
    TRY_ASSIGN(tensor.type, cursor.number<std::uint32_t>(what));
    TRY_ASSIGN(tensor.offset, cursor.number<std::uint64_t>(what));
    TRY_ASSIGN(tensor.bytes, tensor_bytes(tensor));
    return tensor;
}

/// Tensors must follow one another, each padded to the alignment, and end inside the file: what ggml expects.
Result<> check_placement(const GgufHeader& header, std::uint64_t file_bytes) {
    std::uint64_t expected = 0;
    const std::uint64_t data_bytes = file_bytes > header.data_offset ? file_bytes - header.data_offset : 0;
    for (const GgufTensor& tensor : header.tensors) {
        if (tensor.offset != expected) {
            return fail(invalid_argument(fmt::format("tensor {} lies at offset {}, the one before it ends at {}",
                                                     shown(tensor.name), tensor.offset, expected)));
        }
        if (tensor.offset > data_bytes || tensor.bytes > data_bytes - tensor.offset) {
            return fail(invalid_argument(fmt::format(
                "truncated: tensor {} needs {} bytes of data at offset {}, the file has {} ({} after its header)",
                shown(tensor.name), tensor.bytes, tensor.offset, file_bytes, data_bytes)));
        }
        // No overflow: both are below the size of a file.
        expected = (tensor.offset + tensor.bytes + header.alignment - 1) / header.alignment * header.alignment;
    }
    return {};
}

}  // namespace

std::optional<std::string_view> GgufEntry::as_string() const {
    return type == GgufType::kString ? std::optional<std::string_view>(bytes) : std::nullopt;
}

std::optional<std::uint64_t> GgufEntry::as_unsigned() const {
    const auto natural = [](std::int64_t value) {
        return value < 0 ? std::nullopt : std::optional<std::uint64_t>(static_cast<std::uint64_t>(value));
    };
    switch (type) {
        case GgufType::kUint8: return load<std::uint8_t>(bytes);
        case GgufType::kUint16: return load<std::uint16_t>(bytes);
        case GgufType::kUint32: return load<std::uint32_t>(bytes);
        case GgufType::kUint64: return load<std::uint64_t>(bytes);
        case GgufType::kInt8: return natural(load<std::int8_t>(bytes));
        case GgufType::kInt16: return natural(load<std::int16_t>(bytes));
        case GgufType::kInt32: return natural(load<std::int32_t>(bytes));
        case GgufType::kInt64: return natural(load<std::int64_t>(bytes));
        default: return std::nullopt;
    }
}

std::optional<double> GgufEntry::as_number() const {
    if (type == GgufType::kFloat32) return load<float>(bytes);
    if (type == GgufType::kFloat64) return load<double>(bytes);
    if (const auto value = as_unsigned()) return static_cast<double>(*value);
    return std::nullopt;
}

std::optional<bool> GgufEntry::as_bool() const {
    return type == GgufType::kBool ? std::optional<bool>(bytes[0] != 0) : std::nullopt;
}

std::vector<std::string_view> GgufEntry::as_strings() const {
    std::vector<std::string_view> strings;
    if (type != GgufType::kArray || element != GgufType::kString) return strings;
    strings.reserve(count);
    const std::string_view all = bytes;
    for (std::size_t at = 0; at < all.size();) {
        const auto length = load<std::uint64_t>(all, at);
        strings.push_back(all.substr(at + 8, length));
        at += 8 + length;
    }
    return strings;
}

const GgufEntry* GgufHeader::find(std::string_view key) const {
    for (const GgufEntry& entry : metadata) {
        if (entry.key == key) return &entry;
    }
    return nullptr;
}

std::optional<std::string_view> GgufHeader::string(std::string_view key) const {
    const GgufEntry* entry = find(key);
    return entry == nullptr ? std::nullopt : entry->as_string();
}

std::optional<std::uint64_t> GgufHeader::number(std::string_view key) const {
    const GgufEntry* entry = find(key);
    return entry == nullptr ? std::nullopt : entry->as_unsigned();
}

std::optional<std::uint64_t> GgufHeader::arch_number(std::string_view key) const {
    const auto architecture = string("general.architecture");
    return architecture ? number(fmt::format("{}.{}", *architecture, key)) : std::nullopt;
}

Result<GgufHeader> parse_gguf(std::string_view prefix, std::uint64_t file_bytes) {
    if (prefix.size() > file_bytes) prefix = prefix.substr(0, file_bytes);
    GgufHeader header;
    Cursor cursor(prefix, file_bytes);
    TRY_ASSIGN(const std::string_view magic, cursor.take(4, "the magic number"));
    if (magic != "GGUF") return fail(invalid_argument("not a GGUF file: it does not start with 'GGUF'"));
    TRY_ASSIGN(header.version, cursor.number<std::uint32_t>("the version"));
    if (header.version != 0 && (header.version & 0xffff) == 0) {
        return fail(invalid_argument("the file is big-endian; convert it to little-endian first"));
    }
    if (header.version != 2 && header.version != 3) {
        return fail(invalid_argument(fmt::format("GGUF version {} is not supported (2 and 3 are)", header.version)));
    }
    TRY_ASSIGN(const auto tensor_count, cursor.number<std::uint64_t>("the tensor count"));
    TRY_ASSIGN(const auto entry_count, cursor.number<std::uint64_t>("the metadata count"));
    if (tensor_count > kMaxTensors || tensor_count > cursor.left_in_file() / kSmallestTensor) {
        return fail(
            invalid_argument(fmt::format("the header claims {} tensors, more than the file can hold", tensor_count)));
    }
    if (entry_count > kMaxEntries || entry_count > cursor.left_in_file() / kSmallestEntry) {
        return fail(invalid_argument(
            fmt::format("the header claims {} metadata entries, more than the file can hold", entry_count)));
    }

    std::unordered_set<std::string> keys;
    for (std::uint64_t i = 0; i < entry_count; ++i) {
        TRY_ASSIGN(GgufEntry entry, read_entry(cursor, i));
        if (!keys.insert(entry.key).second) {
            return fail(invalid_argument(fmt::format("the metadata key {} appears twice", shown(entry.key))));
        }
        header.metadata.push_back(std::move(entry));
    }
    TRY_ASSIGN(header.alignment, read_alignment(header));

    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < tensor_count; ++i) {
        TRY_ASSIGN(GgufTensor tensor, read_tensor(cursor, i));
        if (!names.insert(tensor.name).second) {
            return fail(invalid_argument(fmt::format("the tensor {} appears twice", shown(tensor.name))));
        }
        header.tensors.push_back(std::move(tensor));
    }
    header.data_offset = (cursor.position() + header.alignment - 1) / header.alignment * header.alignment;
    TRY(check_placement(header, file_bytes));
    return header;
}

Result<GgufHeader> validate_gguf(Fs& fs, const Path& file) {
    const auto named = [&](const Error& error) {
        return fail(Error(error.code() == Code::kOutOfRange ? Code::kInvalidArgument : error.code(),
                          fmt::format("{}: {}", file.filename().string(), error.message())));
    };
    TRY_ASSIGN(const std::uint64_t file_bytes, fs.size(file));
    // Most headers are a tokenizer of a few megabytes. Parsing is cheap beside reading, so a prefix that turns out too
    // short is simply read again, four times as long.
    for (std::uint64_t length = 4ull << 20;; length *= 4) {
        TRY_ASSIGN(const std::string prefix, fs.read_range(file, 0, std::min(length, kMaxHeaderBytes)));
        auto header = parse_gguf(prefix, file_bytes);
        if (!header && header.error().code() == Code::kOutOfRange && length < kMaxHeaderBytes) continue;
        if (!header) return named(header.error());
        if (auto checked = check_gguf_metadata(*header); !checked) return named(checked.error());
        return header;
    }
}

}  // namespace atrium::model
