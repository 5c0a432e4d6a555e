#pragma once

#include <string>

#include "app/knowledge/file_service.h"
#include "app/knowledge/vector_store_service.h"
#include "platform/fs/fs.h"

namespace atrium::app {

inline constexpr std::string_view kSampleStoreName = "Atrium guide · 中庭指南";

/// Creates the sample knowledge base from the documents in `directory` (README.md excepted) in the default project,
/// once per installation: that it happened is noted in SQL, so deleting the sample is respected. Interrupted, it goes
/// on where it was: files already uploaded are used again. Blocking work runs on the pool.
/// kNotFound when the directory holds no documents.
Task<Result<>> create_sample_store(sql::Database& database, FileService& files, VectorStoreService& stores, Fs& fs,
                                   ThreadPool& pool, std::string directory);

}  // namespace atrium::app
