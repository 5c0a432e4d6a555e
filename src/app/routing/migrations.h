#pragma once

#include <span>

#include "platform/sql/database.h"

namespace atrium::app {

/// Numbers 340–359.
std::span<const sql::Migration> routing_migrations();

}  // namespace atrium::app
