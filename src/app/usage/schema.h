#pragma once

#include <span>

#include "platform/sql/database.h"

namespace atrium::app {

/// The schema of usage, prices, budgets and their alerts: numbers 150–199.
std::span<const sql::Migration> usage_migrations();

}  // namespace atrium::app
