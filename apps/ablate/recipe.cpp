#include "apps/ablate/recipe.h"

#include <algorithm>
#include <regex>

#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "core/text.h"

namespace striate::cli {
namespace {

// Whether the flag says where and how a run runs, not what it computes.
bool is_about_running(const std::string& flag) {
  const TrainFlag* row = find_train_flag(flag);
  return row != nullptr && row->on_resume == OnResume::change;
}

// What the ablation itself gives to a run.
bool is_reserved(const std::string& flag) {
  return flag == "seed" || flag == "config" || flag == "help" || (is_about_running(flag) && flag != "workers");
}

// Later flags win. They go behind, so that of --nesterov and --no-nesterov, too, the later one does.
void add_flags(Values& values, const Values& more) {
  for (const auto& flag : more) {
    std::erase_if(values, [&](const auto& old) { return old.first == flag.first; });
    values.push_back(flag);
  }
}

// A table named [kind.NAME].
struct NamedFlags {
  std::string name;
  Values flags;
  std::string against;  // of a [cell.NAME]
};

class RecipeReader {
 public:
  RecipeReader(std::string name, std::optional<std::int64_t> epochs) : file_(std::move(name)), epochs_(epochs) {}

  Recipe read(const std::string& text) {
    for (const TomlTable& table : parse_toml_tables(text, file_)) read_table(table);
    if (recipe_.title.empty()) fail("a title = \"...\" must come first");
    if (!tricks_.empty() && !stacked_ && !leave_one_out_) stacked_ = leave_one_out_ = true;
    if (tricks_.empty() && (stacked_ || leave_one_out_)) fail("run needs tricks, [trick.NAME], to stack");
    if (tricks_.empty() && cells_.empty()) fail("there is nothing to run: no [trick.NAME] and no [cell.NAME]");
    if (stacked_) add_stacked();
    if (leave_one_out_) add_leave_one_out();
    if (!cells_.empty()) add_list();
    return std::move(recipe_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw UsageError(file_ + ": " + what); }

  void read_table(const TomlTable& table) {
    if (table.header.empty()) return read_head(table.values);
    if (table.header == "baseline") {
      check_allowed(table);
      if (!tricks_.empty() || !cells_.empty() || !recipe_.prepared.empty()) {
        fail("[baseline] must stand before the tables that are built on it");
      }
      baseline_ = table.values;
      return;
    }
    const auto [kind, name] = split_header(table.header);
    if (kind == "trick") {
      check_allowed(table);
      tricks_.push_back({.name = name, .flags = table.values, .against = {}});
    } else if (kind == "prepare") {
      check_allowed(table);
      recipe_.prepared.push_back(make_cell(name, table.values));
    } else {
      read_list_cell(name, table);
    }
  }

  void read_head(const Values& values) {
    for (const auto& [key, value] : values) {
      if (key == "title") {
        recipe_.title = value;
      } else if (key == "about") {
        recipe_.about = value;
      } else if (key == "run") {
        read_run(value);
      } else {
        fail("unknown key " + key + "; did you mean " + nearest_name(key, {"title", "about", "run"}) + "?");
      }
    }
  }

  void read_run(const std::string& value) {
    for (const std::string& part : split(value, ',')) {
      if (part != "stacked" && part != "leave-one-out") {
        fail("run lists \"stacked\" and \"leave-one-out\", got \"" + part + "\"");
      }
      (part == "stacked" ? stacked_ : leave_one_out_) = true;
    }
  }

  void read_list_cell(const std::string& name, const TomlTable& table) {
    NamedFlags cell{.name = name, .flags = {}, .against = {}};
    for (const auto& [key, value] : table.values) {
      if (key == "against") {
        cell.against = value;
      } else {
        cell.flags.emplace_back(key, value);
      }
    }
    check_allowed({.header = table.header, .values = cell.flags});
    cells_.push_back(std::move(cell));
  }

  [[nodiscard]] std::pair<std::string, std::string> split_header(const std::string& header) const {
    static const std::regex pattern("(trick|cell|prepare)\\.([A-Za-z0-9_-]+)");
    std::smatch found;
    if (!std::regex_match(header, found, pattern)) {
      fail(
          "a table is [baseline], [trick.NAME], [cell.NAME] or [prepare.NAME] with a NAME of letters, digits, - and "
          "_; got [" +
          header + "]");
    }
    return {found[1], found[2]};
  }

  void check_allowed(const TomlTable& table) const {
    for (const auto& [flag, value] : table.values) {
      const bool own_seed = flag == "seed" && table.header.starts_with("prepare.");
      if (is_reserved(flag) && !own_seed) fail("[" + table.header + "]: " + flag + " is set by striate ablate itself");
    }
  }

  // The baseline with more flags, checked.
  Cell make_cell(const std::string& name, const Values& more) {
    Cell cell{.name = name};
    add_flags(cell.given, baseline_);
    add_flags(cell.given, more);
    if (epochs_) add_flags(cell.given, {{"epochs", std::to_string(*epochs_)}});
    for (const auto& [flag, value] : cell.given) find_needs(flag, value, cell);
    try {
      cell.effective = effective_flags(cell.given);
    } catch (const std::exception& error) {  // of what is wrong with flags, and nothing else can be here
      fail("cell " + name + ": " + error.what());
    }
    return cell;
  }

  void find_needs(const std::string& flag, const std::string& value, Cell& cell) const {
    if (!value.starts_with('{') || !value.ends_with('}')) return;
    std::vector<std::string> names;
    for (const Cell& prepared : recipe_.prepared) names.push_back(prepared.name);
    const auto found = std::find(names.begin(), names.end(), value.substr(1, value.size() - 2));
    if (found == names.end()) {
      fail("cell " + cell.name + ": " + flag + " = \"" + value + "\" names no [prepare.NAME] above it" +
           (names.empty() ? "" : "; did you mean {" + nearest_name(value, names) + "}?"));
    }
    cell.needs.insert(*found);
  }

  // The index of the cell with these flags, which may be there under another name.
  std::size_t add_cell(const std::string& name, const Values& more) {
    const Cell cell = make_cell(name, more);
    auto& cells = recipe_.cells;
    const auto same =
        std::find_if(cells.begin(), cells.end(), [&](const Cell& other) { return other.effective == cell.effective; });
    const auto index = static_cast<std::size_t>(same - cells.begin());
    const auto known =
        std::find_if(recipe_.names.begin(), recipe_.names.end(), [&](const auto& item) { return item.first == name; });
    if (known == recipe_.names.end()) {
      recipe_.names.emplace_back(name, index);
    } else if (known->second != index) {
      fail("two different cells are named " + name);
    }
    if (same == cells.end()) cells.push_back(cell);
    return index;
  }

  [[nodiscard]] Values flags_of_tricks(std::size_t count, std::optional<std::size_t> without = {}) const {
    Values flags;
    for (std::size_t i = 0; i < count; ++i) {
      if (i != without) add_flags(flags, tricks_[i].flags);
    }
    return flags;
  }

  void add_stacked() {
    Table table{.title = "Stacked", .rows = {{.label = "baseline", .cell = add_cell("baseline", {}), .against = {}}}};
    for (std::size_t i = 0; i < tricks_.size(); ++i) {
      const std::string name = "+" + tricks_[i].name;
      table.rows.push_back({.label = name, .cell = add_cell(name, flags_of_tricks(i + 1)), .against = i});
    }
    recipe_.tables.push_back(std::move(table));
  }

  void add_leave_one_out() {
    const std::size_t count = tricks_.size();
    const std::size_t full = add_cell("+" + tricks_.back().name, flags_of_tricks(count));
    Table table{.title = "Leave one out", .rows = {{.label = "full stack", .cell = full, .against = {}}}};
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "without-" + tricks_[i].name;
      table.rows.push_back({.label = name, .cell = add_cell(name, flags_of_tricks(count, i)), .against = 0});
    }
    recipe_.tables.push_back(std::move(table));
  }

  void add_list() {
    Table table{.title = "Cells", .rows = {}};
    std::vector<std::string> names;
    for (const NamedFlags& cell : cells_) {
      std::optional<std::size_t> against;
      if (!names.empty()) against = names.size() - 1;
      if (!cell.against.empty()) {
        const auto found = std::find(names.begin(), names.end(), cell.against);
        if (found == names.end()) fail("cell " + cell.name + ": against names no cell above it: " + cell.against);
        against = static_cast<std::size_t>(found - names.begin());
      }
      table.rows.push_back({.label = cell.name, .cell = add_cell(cell.name, cell.flags), .against = against});
      names.push_back(cell.name);
    }
    recipe_.tables.push_back(std::move(table));
  }

  std::string file_;
  std::optional<std::int64_t> epochs_;
  Values baseline_;
  std::vector<NamedFlags> tricks_;
  std::vector<NamedFlags> cells_;
  bool stacked_ = false;
  bool leave_one_out_ = false;
  Recipe recipe_;
};

}  // namespace

std::size_t Recipe::find(const std::string& name) const {
  std::vector<std::string> all;
  for (const auto& [known, cell] : names) {
    if (known == name) return cell;
    all.push_back(known);
  }
  throw UsageError("the recipe has no cell " + name + "; did you mean " + nearest_name(name, all) + "?");
}

Recipe parse_recipe(const std::string& text, const std::string& name, std::optional<std::int64_t> epochs) {
  return RecipeReader(name, epochs).read(text);
}

Values effective_flags(const Values& given) {
  const TrainFlags flags = parse_train_flags(given);
  check_together(flags);
  Values effective = values_of(flags);
  std::erase_if(effective, [](const auto& item) { return item.first == "seed" || is_about_running(item.first); });
  return effective;
}

}  // namespace striate::cli
