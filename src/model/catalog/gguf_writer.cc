#include "model/catalog/gguf_writer.h"

#include <fmt/format.h>

#include <type_traits>

#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

template <class T>
    requires std::is_trivially_copyable_v<T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));  // little-endian, as gguf_reader.cc asserts
}

void put_string(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint64_t>(text.size()));
    out.append(text);
}

std::uint64_t padding(std::uint64_t position) {
    return (kGgufDefaultAlignment - position % kGgufDefaultAlignment) % kGgufDefaultAlignment;
}

}  // namespace

void GgufWriter::add_key(std::string_view key, GgufType type) {
    put_string(metadata_, key);
    put(metadata_, type);
    ++entries_;
}

void GgufWriter::add_array(std::string_view key, GgufType element, std::uint64_t count) {
    add_key(key, GgufType::kArray);
    put(metadata_, element);
    put(metadata_, count);
}

void GgufWriter::add_string(std::string_view key, std::string_view value) {
    add_key(key, GgufType::kString);
    put_string(metadata_, value);
}

void GgufWriter::add_u32(std::string_view key, std::uint32_t value) {
    add_key(key, GgufType::kUint32);
    put(metadata_, value);
}

void GgufWriter::add_f32(std::string_view key, float value) {
    add_key(key, GgufType::kFloat32);
    put(metadata_, value);
}

void GgufWriter::add_bool(std::string_view key, bool value) {
    add_key(key, GgufType::kBool);
    put(metadata_, static_cast<std::uint8_t>(value));
}

void GgufWriter::add_strings(std::string_view key, const std::vector<std::string>& values) {
    add_array(key, GgufType::kString, values.size());
    for (const std::string& value : values) put_string(metadata_, value);
}

void GgufWriter::add_f32s(std::string_view key, const std::vector<float>& values) {
    add_array(key, GgufType::kFloat32, values.size());
    metadata_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

void GgufWriter::add_i32s(std::string_view key, const std::vector<std::int32_t>& values) {
    add_array(key, GgufType::kInt32, values.size());
    metadata_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int32_t));
}

void GgufWriter::add_bytes(std::string_view key, std::string_view values) {
    add_array(key, GgufType::kUint8, values.size());
    metadata_.append(values);
}

void GgufWriter::add_tensor(std::string_view name, std::vector<std::uint64_t> dimensions, TensorType type,
                            std::function<Result<std::string>()> produce) {
    const TensorLayout layout = *tensor_layout(static_cast<std::uint32_t>(type));
    std::uint64_t values = 1;
    for (const std::uint64_t dimension : dimensions) values *= dimension;
    tensors_.push_back(
        {std::string(name), std::move(dimensions), type, values / layout.weights * layout.bytes, std::move(produce)});
}

std::string GgufWriter::header() const {
    std::string out = "GGUF";
    put(out, std::uint32_t{3});
    put(out, static_cast<std::uint64_t>(tensors_.size()));
    put(out, entries_);
    out += metadata_;
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
        put_string(out, tensor.name);
        put(out, static_cast<std::uint32_t>(tensor.dimensions.size()));
        for (const std::uint64_t dimension : tensor.dimensions) put(out, dimension);
        put(out, tensor.type);
        put(out, offset);
        offset += tensor.bytes + padding(tensor.bytes);
    }
    out.append(padding(out.size()), '\0');
    return out;
}

Result<GgufWriter::Written> GgufWriter::write(Fs& fs, const Path& path,
                                              const std::function<void(std::uint64_t)>& on_bytes) {
    TRY_ASSIGN(auto file, fs.create(path, 0644));
    crypto::Sha256Stream digest;
    Written written;
    const auto append = [&](std::string_view bytes) -> Result<> {
        TRY(file->append(bytes));
        digest.update(bytes);
        written.bytes += bytes.size();
        if (on_bytes) on_bytes(written.bytes);
        return {};
    };
    TRY(append(header()));
    for (const Tensor& tensor : tensors_) {
        TRY_ASSIGN(std::string bytes, tensor.produce());
        if (bytes.size() != tensor.bytes) {
            return fail(internal_error(fmt::format("tensor '{}' came with {} bytes, its shape has {}", tensor.name,
                                                   bytes.size(), tensor.bytes)));
        }
        bytes.append(padding(bytes.size()), '\0');
        TRY(append(bytes));
    }
    TRY(file->sync());
    TRY(file->close());
    written.sha256 = digest.finish_hex();
    return written;
}

}  // namespace atrium::model
