#pragma once

#include <span>

#include "platform/sql/database.h"

namespace atrium::app {

/// The schema of responses and conversations: numbers 300–319.
std::span<const sql::Migration> response_migrations();

}  // namespace atrium::app
