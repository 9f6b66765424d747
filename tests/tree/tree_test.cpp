// Rules about the source tree as a whole, and about the documents: what they quote, link to and count is in the tree.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

using Rooms = std::set<std::string>;

const Rooms kLibraries = {"core", "layers", "optim", "data", "models"};
const Rooms kProgram = {"core",          "layers",   "optim",       "data",       "models",
                        "apps/training", "apps/cli", "apps/ablate", "apps/bench", "apps/report"};

// What each room may include besides itself; folders within one (layers/conv) belong to it.
const std::map<std::string, Rooms> kMayInclude = {
    {"core", {}},
    {"layers", {"core"}},
    {"optim", {"core"}},
    {"data", {"core"}},
    {"models", {"core", "layers"}},
    {"apps/training", kLibraries},
    {"apps/cli", kProgram},
    {"apps/ablate", kProgram},
    {"apps/bench", kProgram},
    {"apps/report", kProgram},
    {"apps/examples", {"core", "layers", "optim", "data", "models", "apps/training", "apps/cli"}},
};

// The room of a file or an include; empty where it is in none.
std::string room_of(const std::string& path) {
  for (const auto& [room, allowed] : kMayInclude) {
    if (path.starts_with(room + "/")) return room;
  }
  return {};
}

struct Include {
  std::string file;  // from the root of the tree
  std::string path;  // between quotes or angle brackets
};

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream stream(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<fs::path> sources_under(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".h" || extension == ".cpp")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Include> includes_of(const fs::path& file) {
  static const std::regex directive(R"(\s*#\s*include\s*[<"]([^>"]+)[>"].*)");
  std::vector<Include> includes;
  std::smatch match;
  for (const std::string& line : lines_of(file)) {
    if (std::regex_match(line, match, directive)) {
      includes.push_back({fs::relative(file, STRIATE_SOURCE_DIR).string(), match[1]});
    }
  }
  return includes;
}

/// The includes of a room's files that point to one that it may not know.
std::vector<Include> wrong_includes(const fs::path& root, const std::string& room) {
  std::vector<Include> wrong;
  for (const fs::path& file : sources_under(root / room)) {
    for (const Include& include : includes_of(file)) {
      const std::string target = room_of(include.path);
      const bool outside = include.path.starts_with("tests/") || include.path.starts_with("..");
      const bool allowed = target.empty() || target == room || kMayInclude.at(room).contains(target);
      if (outside || !allowed) wrong.push_back(include);
    }
  }
  return wrong;
}

TEST(Tree, IncludesPointLeft) {
  for (const auto& [room, allowed] : kMayInclude) {
    ASSERT_FALSE(sources_under(fs::path(STRIATE_SOURCE_DIR) / room).empty()) << room;
    for (const Include& include : wrong_includes(STRIATE_SOURCE_DIR, room)) {
      ADD_FAILURE() << include.file << " includes " << include.path << ", which does not stand left of " << room;
    }
  }
}

TEST(Tree, AWrongIncludeIsFound) {
  const fs::path root = fs::path(testing::TempDir()) / "striate_tree_test";
  fs::create_directories(root / "layers/conv");
  fs::create_directories(root / "apps/training");
  std::ofstream(root / "layers/conv/a.h")
      << "#include <vector>\n#include \"core/tensor.h\"\n  # include \"optim/sgd.h\"\n";
  std::ofstream(root / "apps/training/b.cpp") << "#include \"optim/sgd.h\"\n#include \"apps/cli/toml.h\"\n";
  std::vector<Include> wrong = wrong_includes(root, "layers");
  const std::vector<Include> more = wrong_includes(root, "apps/training");
  wrong.insert(wrong.end(), more.begin(), more.end());
  fs::remove_all(root);
  ASSERT_EQ(wrong.size(), 2U);
  EXPECT_EQ(wrong[0].path, "optim/sgd.h");
  EXPECT_EQ(wrong[1].path, "apps/cli/toml.h");
}

bool is_kernel_header(const std::string& path) {
  static const std::string names = "," STRIATE_KERNEL_HEADERS ",";
  return names.find("," + path + ",") != std::string::npos;
}

// A program that uses the library may be built for another instruction set; inline code of others, Eigen's
// above all, must not meet itself there, nor must kernels. So public headers include only ours and the
// standard library's (no dot, no slash). Kernel headers are listed in the root's CMakeLists.txt and may have
// the compiler's intrinsics, Eigen and xxHash.
TEST(Tree, PublicHeadersIncludeNothingOfOthers) {
  std::vector<fs::path> headers = {fs::path(STRIATE_SOURCE_DIR) / "apps/cli/run.h"};
  for (const std::string room : {"core", "layers", "optim", "data", "models", "apps/training"}) {
    for (const fs::path& file : sources_under(fs::path(STRIATE_SOURCE_DIR) / room)) {
      if (file.extension() == ".h") headers.push_back(file);
    }
  }
  for (const fs::path& file : headers) {
    for (const Include& include : includes_of(file)) {
      const bool in_kernel = is_kernel_header(include.file);
      const bool ours = !room_of(include.path).empty() && (in_kernel || !is_kernel_header(include.path));
      const bool standard = include.path.find_first_of("./") == std::string::npos;
      const bool kernels =
          include.path == "immintrin.h" || include.path == "xxhash.h" || include.path.starts_with("Eigen/");
      EXPECT_TRUE(ours || standard || (in_kernel && kernels)) << include.file << " includes " << include.path;
    }
  }
}

const fs::path kRoot = STRIATE_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<fs::path> documents() {
  std::vector<fs::path> files = {kRoot / "README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  }
  return files;
}

struct Quote {
  std::string file;  // from the root of the tree
  std::string text;
};

// The blocks whose fence names a file behind the language: ```cpp core/matmul.cpp
std::vector<Quote> quotes_in(const std::string& document) {
  static const std::regex fence("```[a-z]+ (\\S+)");
  std::vector<Quote> quotes;
  std::istringstream lines(document);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, match, fence)) continue;
    Quote quote{match[1], ""};
    while (std::getline(lines, line) && line != "```") quote.text += line + "\n";
    quotes.push_back(quote);
  }
  return quotes;
}

TEST(Docs, QuotesStandInTheirFiles) {
  for (const fs::path& document : documents()) {
    for (const Quote& quote : quotes_in(text_of(document))) {
      EXPECT_NE(text_of(kRoot / quote.file).find(quote.text), std::string::npos)
          << document << " quotes what is not in " << quote.file << ":\n"
          << quote.text;
    }
  }
}

// A model, an optimiser, a dataset and a transform of a program that the tests run.
TEST(Docs, AddingQuotesTheProgramOutsideTheTree) {
  const std::vector<Quote> quotes = quotes_in(text_of(kRoot / "docs/adding.md"));
  for (const std::string part : {"struct Tiny : Layer", "struct Lion : Optimizer", "Dataset stripes(",
                                 "struct Brighten : Transform", "striate::run("}) {
    EXPECT_TRUE(std::any_of(quotes.begin(), quotes.end(), [&](const Quote& quote) {
      return quote.file == "tests/tree/outside/main.cpp" && quote.text.find(part) != std::string::npos;
    })) << part;
  }
}

TEST(Docs, LinksLeadToFiles) {
  static const std::regex link("\\]\\(([^)#:\\s]+)(#[^)]*)?\\)");
  for (const fs::path& document : documents()) {
    const std::string text = text_of(document);
    for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
      EXPECT_TRUE(fs::exists(document.parent_path() / (*it)[1].str())) << document << " links to " << (*it)[1];
    }
  }
}

// Small edits of a file need no new table; one that grows or shrinks by more than 15 % does.
TEST(Docs, TheTourCountsItsLines) {
  static const std::regex row("\\| \\[(.+)\\]\\(\\.\\./\\1\\) \\| (\\d+) \\| .+ \\|");
  static const std::regex last("\\| total \\| (\\d+) \\|.*");
  std::istringstream lines(text_of(kRoot / "docs/tour.md"));
  std::smatch match;
  int sum = 0;
  int total = 0;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, last)) total = std::stoi(match[1]);
    if (!std::regex_match(line, match, row)) continue;
    const std::string text = text_of(kRoot / match[1].str());
    const auto counted = static_cast<double>(std::count(text.begin(), text.end(), '\n'));
    const double listed = std::stod(match[2]);
    EXPECT_NEAR(counted, listed, 0.15 * listed) << match[1];
    sum += std::stoi(match[2]);
  }
  EXPECT_EQ(total, sum);
  EXPECT_GE(total, 2000);
  EXPECT_LE(total, 3000);
}

}  // namespace
