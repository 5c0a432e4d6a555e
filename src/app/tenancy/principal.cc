#include "app/tenancy/principal.h"

#include <fmt/format.h>

#include "base/text.h"

namespace atrium::app {

Result<> check_model(const Principal& principal, std::string_view model) {
    if (principal.policy == nullptr || principal.policy->allows_model(model)) return {};
    return fail(permission_denied(fmt::format("This API key may not use the model '{}'. GET /v1/models lists the ones "
                                              "it may use; an administrator can change that.",
                                              text::shorten(text::to_valid_utf8(model), 100)))
                    .with_field("model")
                    .with_reason("model_not_allowed"));
}

}  // namespace atrium::app
