#pragma once

#include "app/chat/chat_service.h"

namespace atrium::app {

/// What routing has to know about a call: whom it sticks to, how its prompt begins, about how long that is. Reads at
/// most the first kilobyte of the messages.
model::RouteQuery route_query(const ModelCall& call);

}  // namespace atrium::app
