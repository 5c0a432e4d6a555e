#pragma once

#include <span>

#include "platform/sql/database.h"

namespace atrium::app {

/// The schema of projects and API keys: numbers 100–149.
std::span<const sql::Migration> tenancy_migrations();

}  // namespace atrium::app
