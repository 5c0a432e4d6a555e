#include "app/knowledge/calibration.h"

#include <algorithm>
#include <array>
#include <span>

namespace atrium::app {

namespace {

struct Pair {
    std::string_view question;
    std::string_view passage;
};

constexpr std::array<Pair, 8> kPairs{{
    {"How many vacation days do employees get?",
     "Every full-time employee is entitled to 25 days of paid annual leave per calendar year."},
    {"At what temperature does water boil?", "At sea level pure water boils at 100 degrees Celsius, less on a mountain."},
    {"Who designed the harbour bridge?", "The harbour bridge was designed by the engineer Maria Keller and opened in 1932."},
    {"How do I reset my password?", "Choose \"Forgot password\" on the sign-in page and follow the link in the e-mail."},
    {"差旅报销多久到账？", "差旅费用经部门审批后，财务部在五个工作日内将报销款转入员工账户。"},
    {"大熊猫主要吃什么？", "大熊猫以竹子为主食，一只成年熊猫每天要吃十几公斤竹叶和竹笋。"},
    {"怎样预订会议室？", "会议室须提前一天在办公系统中预订，取消预订应至少提前两小时。"},
    {"长江有多长？", "长江全长约六千三百公里，发源于青藏高原，是亚洲最长的河流。"},
}};

double dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

}  // namespace

double Calibration::normalise(double cosine) const {
    return std::clamp((cosine - unrelated) / (related - unrelated), 0.0, 1.0);
}

Task<Result<Calibration>> Calibrator::of(CallContext context, std::string model) {
    {
        std::scoped_lock lock(mutex_);
        if (const auto found = known_.find(model); found != known_.end()) co_return found->second;
    }
    std::vector<std::string> questions;
    std::vector<std::string> passages;
    for (const auto& pair : kPairs) {
        questions.emplace_back(pair.question);
        passages.emplace_back(pair.passage);
    }
    CO_TRY_ASSIGN(const auto asked, co_await models_.embed(context, model, questions, true));
    CO_TRY_ASSIGN(const auto told, co_await models_.embed(context, model, passages, false));
    const auto size = asked.dimensions;
    if (size == 0 || told.dimensions != size || asked.values.size() != size * kPairs.size() ||
        told.values.size() != asked.values.size()) {
        co_return fail(internal_error("the embedding model '" + model + "' answered with the wrong number of vectors"));
    }
    double related = 0;
    double unrelated = 0;
    for (std::size_t q = 0; q < kPairs.size(); ++q) {
        for (std::size_t p = 0; p < kPairs.size(); ++p) {
            const double cosine = dot(std::span(asked.values).subspan(q * size, size), std::span(told.values).subspan(p * size, size));
            (p == q ? related : unrelated) += cosine;
        }
    }
    Calibration calibration;
    calibration.related = related / kPairs.size();
    calibration.unrelated = unrelated / (kPairs.size() * (kPairs.size() - 1));
    // A model that cannot tell them apart gets a scale on which nothing looks certain.
    calibration.related = std::max(calibration.related, calibration.unrelated + 0.05);
    std::scoped_lock lock(mutex_);
    known_[model] = calibration;
    co_return calibration;
}

}  // namespace atrium::app
