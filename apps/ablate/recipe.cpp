#include "apps/ablate/recipe.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "apps/cli/command_line.h"
#include "apps/cli/train_flags.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

constexpr std::size_t kLongestName = 100;  // it becomes the name of a folder, with more in front

// What the ablation itself gives to a run.
bool is_reserved(const std::string& flag) {
  static const std::set<std::string> left_to_recipes = {"workers", "max-pixels", "checkpoint-minutes", "tensorboard",
                                                        "report"};
  return flag == "seed" || flag == "config" || flag == "help" ||
         (is_about_running(flag) && !left_to_recipes.contains(flag));
}

// Later flags win. They go behind, so that of --nesterov and --no-nesterov, too, the later one does.
void add_flags(Values& values, const Values& more) {
  for (const auto& flag : more) {
    std::erase_if(values, [&](const auto& old) { return old.first == flag.first; });
    values.push_back(flag);
  }
}

// Every flag that changes results, the seed apart, with its value.
Values effective_flags(const TrainFlags& flags) {
  Values effective = values_of(flags);
  std::erase_if(effective, [](const auto& item) { return item.first == "seed" || is_about_running(item.first); });
  return effective;
}

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
    for (const auto& [flag, why] : idle_) {
      if (!used_.contains(flag)) fail(flag + " " + why + " in every cell that has it");
    }
    return std::move(recipe_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw UsageError(file_ + ": " + printable(what, 2000)); }

  void read_table(const TomlTable& table) {
    const auto& [header, values] = table;
    if (header.empty()) return read_head(values);
    const std::size_t dot = header.find('.');
    const std::string kind = header.substr(0, dot);
    const std::string name = dot == std::string::npos ? "" : header.substr(dot + 1);
    for (const auto& [flag, value] : values) {
      const bool own_seed = flag == "seed" && kind == "prepare";
      if (is_reserved(flag) && !own_seed) fail("[" + header + "]: " + flag + " is set by striate ablate itself");
    }
    const bool named = !name.empty() && name.size() <= kLongestName &&
                       std::all_of(name.begin(), name.end(),
                                   [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
    if (header == "baseline") {
      if (!tricks_.empty() || !cells_.empty() || !recipe_.prepared.empty()) {
        fail("[baseline] must stand before the tables that are built on it");
      }
      baseline_ = values;
    } else if (kind == "trick" && named) {
      tricks_.push_back({name, values});
    } else if (kind == "cell" && named) {
      cells_.push_back({name, values});
    } else if (kind == "prepare" && named) {
      recipe_.prepared.push_back(make_cell(name, values));
    } else {
      fail(
          "a table is [baseline], [trick.NAME], [cell.NAME] or [prepare.NAME] with a NAME of up to 100 letters, "
          "digits, - and _; got [" +
          printable(header) + "]");
    }
  }

  void read_head(const Values& values) {
    for (const auto& [key, value] : values) {
      if (key == "title") {
        recipe_.title = value;
      } else if (key == "about") {
        recipe_.about = value;
      } else if (key == "run") {
        for (const std::string& part : split(value, ',')) {
          if (part != "stacked" && part != "leave-one-out") {
            fail("run lists \"stacked\" and \"leave-one-out\", got \"" + part + "\"");
          }
          (part == "stacked" ? stacked_ : leave_one_out_) = true;
        }
      } else {
        fail("unknown key " + key + "; did you mean " + nearest_name(key, {"title", "about", "run"}) + "?");
      }
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
      TrainFlags flags = parse_train_flags({}, cell.given);
      drop_idle(flags, cell.given);
      check_together(flags);
      cell.effective = effective_flags(flags);
    } catch (const std::exception& error) {  // of what is wrong with flags, and nothing else can be here
      fail("cell " + name + ": " + error.what());
    }
    return cell;
  }

  // What means nothing beside the cell's other flags is left out: a trick that takes another schedule need not know the
  // flags of the one before.
  void drop_idle(const TrainFlags& flags, Values& given) {
    for (const TrainFlag& row : train_flag_table()) {
      const std::string why = unmet_need(row, flags);
      const auto named = [&](const auto& flag) { return flag.first == row.name || flag.first == "no-" + row.name; };
      if (!flags.given.contains(row.name)) continue;
      if (why.empty()) {
        used_.insert(row.name);
      } else {
        const std::string text = text_of(row, flags);
        if (text != row.off && text != "false") idle_[row.name] = why;
        std::erase_if(given, named);
      }
    }
  }

  void find_needs(const std::string& flag, const std::string& value, Cell& cell) const {
    if (!value.starts_with('{') || !value.ends_with('}')) return;
    std::vector<std::string> names;
    for (const Cell& prepared : recipe_.prepared) names.push_back(prepared.name);
    const std::string name = value.substr(1, value.size() - 2);
    if (cell.needs.insert(name); std::find(names.begin(), names.end(), name) != names.end()) return;
    fail("cell " + cell.name + ": " + flag + " = \"" + value + "\" names no [prepare.NAME] above it" +
         (names.empty() ? "" : "; did you mean {" + nearest_name(value, names) + "}?"));
  }

  // The index of the cell with these flags, which may be there under another name.
  std::size_t add_cell(const std::string& name, const Values& more) {
    const Cell cell = make_cell(name, more);
    auto& cells = recipe_.cells;
    const auto same =
        std::find_if(cells.begin(), cells.end(), [&](const Cell& other) { return other.effective == cell.effective; });
    const auto index = static_cast<std::size_t>(same - cells.begin());
    const auto known = recipe_.names.emplace(name, index).first;
    if (known->second != index) fail("two different cells are named " + name);
    if (same == cells.end()) cells.push_back(cell);
    return index;
  }

  [[nodiscard]] Values flags_of_tricks(std::size_t count, std::optional<std::size_t> without = {}) const {
    Values flags;
    for (std::size_t i = 0; i < count; ++i) {
      if (i != without) add_flags(flags, tricks_[i].values);
    }
    return flags;
  }

  void add_stacked() {
    Table table{.title = "Stacked", .rows = {{"baseline", add_cell("baseline", {}), {}}}};
    for (std::size_t i = 0; i < tricks_.size(); ++i) {
      const std::string name = "+" + tricks_[i].header;
      table.rows.push_back({name, add_cell(name, flags_of_tricks(i + 1)), i});
    }
    recipe_.tables.push_back(std::move(table));
  }

  void add_leave_one_out() {
    const std::size_t count = tricks_.size();
    const std::size_t full = add_cell("+" + tricks_.back().header, flags_of_tricks(count));
    Table table{.title = "Leave one out", .rows = {{"full stack", full, {}}}};
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "without-" + tricks_[i].header;
      table.rows.push_back({name, add_cell(name, flags_of_tricks(count, i)), 0});
    }
    recipe_.tables.push_back(std::move(table));
  }

  void add_list() {
    Table table{.title = "Cells", .rows = {}};
    for (auto& [name, flags] : cells_) {
      auto& rows = table.rows;
      std::optional<std::size_t> against;
      if (!rows.empty()) against = rows.size() - 1;
      const auto given = std::find_if(flags.begin(), flags.end(), [](auto& flag) { return flag.first == "against"; });
      if (given != flags.end()) {
        const auto above =
            std::find_if(rows.begin(), rows.end(), [&](auto& row) { return row.label == given->second; });
        if (above == rows.end()) fail("cell " + name + ": against names no cell above it: " + given->second);
        against = static_cast<std::size_t>(above - rows.begin());
        flags.erase(given);
      }
      rows.push_back({.label = name, .cell = add_cell(name, flags), .against = against});
    }
    recipe_.tables.push_back(std::move(table));
  }

  std::string file_;
  std::optional<std::int64_t> epochs_;
  Values baseline_;
  std::vector<TomlTable> tricks_;  // the header is the NAME alone
  std::vector<TomlTable> cells_;
  std::set<std::string> used_;               // flags that mean something in a cell
  std::map<std::string, std::string> idle_;  // those that mean nothing in one, and why
  bool stacked_ = false;
  bool leave_one_out_ = false;
  Recipe recipe_;
};

}  // namespace

std::size_t Recipe::find(const std::string& name) const {
  if (const auto found = names.find(name); found != names.end()) return found->second;
  std::vector<std::string> all;
  for (const auto& [known, cell] : names) all.push_back(known);
  throw UsageError("the recipe has no cell " + name + "; did you mean " + nearest_name(name, all) + "?");
}

Recipe parse_recipe(const std::string& text, const std::string& name, std::optional<std::int64_t> epochs) {
  return RecipeReader(name, epochs).read(text);
}

}  // namespace striate::cli
