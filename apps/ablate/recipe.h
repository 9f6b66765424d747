#pragma once
// Recipes: files of flags by name, and the grid of cells that one stands for. docs/ablation.md tells how to write one;
// read by apps/cli/ablate.cpp, run by apps/ablate/schedule.h.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apps/cli/toml.h"

namespace striate::cli {

/// Flags of `striate train` under a name.
struct Cell {
  std::string name;                  ///< also its folder's
  Values given = {};                 ///< what the recipe sets; {NAME} stands for the weights of [prepare.NAME]
  Values effective = {};             ///< every flag that changes results, the seed apart; numbers in one spelling
  std::set<std::string> needs = {};  ///< names of prepared cells
};

/// A line of the report.
struct Row {
  std::string label;
  std::size_t cell = 0;                ///< of Recipe::cells
  std::optional<std::size_t> against;  ///< the row of the same table that the delta is to
};

struct Table {
  std::string title;
  std::vector<Row> rows;
};

struct Recipe {
  std::string title;
  std::string about;
  std::vector<Cell> prepared;  ///< trained once, before those that need them
  std::vector<Cell> cells;     ///< no two with the same flags
  std::vector<Table> tables;
  std::map<std::string, std::size_t> names;  ///< of cells; more than one where rows agree

  /// The cell of that name. Throws UsageError with the nearest name.
  [[nodiscard]] std::size_t find(const std::string& name) const;
};

/// Reads a recipe (docs/ablation.md tells what stands in one). `name` stands in front of errors; `epochs`
/// replaces every cell's own. A flag that means nothing beside a cell's other flags is
/// left out of that cell. Throws UsageError: for the file, for flags that `striate train` would refuse, and for one
/// that means nothing in any cell.
Recipe parse_recipe(const std::string& text, const std::string& name, std::optional<std::int64_t> epochs = {});

}  // namespace striate::cli
