#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

/// How values that SQL has no column type for are written into text columns.
namespace atrium::app::codec {

/// Vectors as base64 of little-endian IEEE half floats: 1 KB for 384 dimensions instead of 2, and the cosine changes
/// by less than 1e-3 (codec_test).
std::string encode_vector(std::span<const float> values);
/// kDataLoss when the text is damaged or not of this dimension.
Result<std::vector<float>> decode_vector(std::string_view text, std::size_t dimensions);

std::string encode_strings(const std::vector<std::string>& values);
std::vector<std::string> decode_strings(std::string_view text);  ///< empty when damaged

/// An object written by us; empty when damaged.
json::object decode_object(std::string_view text);

}  // namespace atrium::app::codec
