#include "model/catalog/gguf_format.h"

#include <array>
#include <cstddef>

namespace atrium::model {
namespace {

// Indexed by ggml's type number; a zero entry was never assigned or has been withdrawn from the format.
constexpr std::array<TensorLayout, 43> kLayouts = {{
    {"F32", 1, 4},
    {"F16", 1, 2},
    {"Q4_0", 32, 18},
    {"Q4_1", 32, 20},
    {},
    {},
    {"Q5_0", 32, 22},
    {"Q5_1", 32, 24},
    {"Q8_0", 32, 34},
    {"Q8_1", 32, 36},
    {"Q2_K", 256, 84},
    {"Q3_K", 256, 110},
    {"Q4_K", 256, 144},
    {"Q5_K", 256, 176},
    {"Q6_K", 256, 210},
    {"Q8_K", 256, 292},
    {"IQ2_XXS", 256, 66},
    {"IQ2_XS", 256, 74},
    {"IQ3_XXS", 256, 98},
    {"IQ1_S", 256, 50},
    {"IQ4_NL", 32, 18},
    {"IQ3_S", 256, 110},
    {"IQ2_S", 256, 82},
    {"IQ4_XS", 256, 136},
    {"I8", 1, 1},
    {"I16", 1, 2},
    {"I32", 1, 4},
    {"I64", 1, 8},
    {"F64", 1, 8},
    {"IQ1_M", 256, 56},
    {"BF16", 1, 2},
    {},
    {},
    {},
    {"TQ1_0", 256, 54},
    {"TQ2_0", 256, 66},
    {},
    {},
    {},
    {"MXFP4", 32, 17},
    {"NVFP4", 64, 36},
    {"Q1_0", 128, 18},
    {"Q2_0", 64, 18},
}};

}  // namespace

std::string_view gguf_type_name(GgufType type) {
    switch (type) {
        case GgufType::kUint8: return "uint8";
        case GgufType::kInt8: return "int8";
        case GgufType::kUint16: return "uint16";
        case GgufType::kInt16: return "int16";
        case GgufType::kUint32: return "uint32";
        case GgufType::kInt32: return "int32";
        case GgufType::kFloat32: return "float32";
        case GgufType::kBool: return "bool";
        case GgufType::kString: return "string";
        case GgufType::kArray: return "array";
        case GgufType::kUint64: return "uint64";
        case GgufType::kInt64: return "int64";
        case GgufType::kFloat64: return "float64";
    }
    return "unknown";
}

std::size_t gguf_type_bytes(GgufType type) {
    switch (type) {
        case GgufType::kUint8:
        case GgufType::kInt8:
        case GgufType::kBool: return 1;
        case GgufType::kUint16:
        case GgufType::kInt16: return 2;
        case GgufType::kUint32:
        case GgufType::kInt32:
        case GgufType::kFloat32: return 4;
        case GgufType::kUint64:
        case GgufType::kInt64:
        case GgufType::kFloat64: return 8;
        case GgufType::kString:
        case GgufType::kArray: return 0;
    }
    return 0;
}

std::optional<TensorLayout> tensor_layout(std::uint32_t type) {
    if (type >= kLayouts.size() || kLayouts[type].weights == 0) return std::nullopt;
    return kLayouts[type];
}

}  // namespace atrium::model
