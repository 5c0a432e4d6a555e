#include "gateway/authenticate.h"

#include "security/tokens/api_key.h"

namespace atrium::gateway {

Result<app::Principal> authenticate(const http::RequestHead& head, const app::Tenancy& tenancy) {
    TRY_ASSIGN(const auto key, tokens::api_key_from_headers(head.headers.get("authorization").value_or(""),
                                                            head.headers.get("x-api-key").value_or("")));
    return tenancy.authenticate(key);
}

Result<> authorize(const app::Principal& principal, Access access) {
    if (access == Access::kAdmin && !principal.admin) {
        return fail(
            permission_denied("This needs an admin key; the key in use may call models and its own project only."));
    }
    return {};
}

}  // namespace atrium::gateway
