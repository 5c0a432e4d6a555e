#pragma once

#include <map>
#include <mutex>
#include <string>

#include "app/knowledge/models.h"

namespace atrium::app {

/// What a cosine of one embedding model means. Models differ wildly: unrelated texts score 0.75 with e5 and 0.05 with
/// MiniLM, so raw cosines can neither be shown nor compared with a threshold.
struct Calibration {
    double unrelated = 0.2;  ///< typical cosine of a question and a passage about something else
    double related = 0.8;    ///< typical cosine of a question and the passage that answers it
    /// 0 for unrelated, 1 for answering.
    double normalise(double cosine) const;
};

/// Measures calibrations once per model by embedding eight question–passage pairs in both languages: the pairs
/// themselves are related, all other combinations are not. Thread-safe.
class Calibrator {
public:
    explicit Calibrator(KnowledgeModels& models) : models_(models) {}
    /// The error of the model when it cannot be asked; nothing is remembered then.
    Task<Result<Calibration>> of(CallContext context, std::string model);

private:
    KnowledgeModels& models_;
    std::mutex mutex_;
    std::map<std::string, Calibration> known_;
};

}  // namespace atrium::app
