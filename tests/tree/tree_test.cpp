// Rules about the source tree as a whole.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// What each folder may include besides itself.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {}},       {"layers", {"core"}},           {"optim", {"core"}},
    {"data", {"core"}}, {"models", {"core", "layers"}}, {"apps", {"core", "layers", "optim", "data", "models"}},
};

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

std::string first_folder(const std::string& path) { return path.substr(0, path.find('/')); }

/// The includes of a folder's files that point to a folder that it may not know.
std::vector<Include> wrong_includes(const fs::path& root, const std::string& folder) {
  std::vector<Include> wrong;
  for (const fs::path& file : sources_under(root / folder)) {
    for (const Include& include : includes_of(file)) {
      const std::string target = first_folder(include.path);
      const bool ours = kMayInclude.contains(target) || target == "tests" || target == "..";
      if (ours && target != folder && !kMayInclude.at(folder).contains(target)) wrong.push_back(include);
    }
  }
  return wrong;
}

TEST(Tree, IncludesPointLeft) {
  for (const auto& [folder, allowed] : kMayInclude) {
    ASSERT_FALSE(sources_under(fs::path(STRIATE_SOURCE_DIR) / folder).empty()) << folder;
    for (const Include& include : wrong_includes(STRIATE_SOURCE_DIR, folder)) {
      ADD_FAILURE() << include.file << " includes " << include.path << ", which does not stand left of " << folder;
    }
  }
}

TEST(Tree, AWrongIncludeIsFound) {
  const fs::path root = fs::path(testing::TempDir()) / "striate_tree_test";
  fs::create_directories(root / "layers");
  std::ofstream(root / "layers" / "a.h")
      << "#include <vector>\n#include \"core/tensor.h\"\n  # include \"optim/sgd.h\"\n";
  const std::vector<Include> wrong = wrong_includes(root, "layers");
  fs::remove_all(root);
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_EQ(wrong[0].path, "optim/sgd.h");
}

bool is_kernel_header(const std::string& path) {
  static const std::string names = "," STRIATE_KERNEL_HEADERS ",";
  return names.find("," + path + ",") != std::string::npos;
}

// A program that uses the library may be built for another instruction set; inline code of others, Eigen's
// above all, must not meet itself there, nor must kernels. So public headers include only ours and the
// standard library's (no dot, no slash). Kernel headers are listed in the root's CMakeLists.txt and may have
// the compiler's intrinsics and Eigen.
TEST(Tree, PublicHeadersIncludeNothingOfOthers) {
  for (const std::string folder : {"core", "layers", "optim", "data", "models"}) {
    for (const fs::path& file : sources_under(fs::path(STRIATE_SOURCE_DIR) / folder)) {
      if (file.extension() != ".h") continue;
      for (const Include& include : includes_of(file)) {
        const bool in_kernel = is_kernel_header(include.file);
        const bool ours =
            kMayInclude.contains(first_folder(include.path)) && (in_kernel || !is_kernel_header(include.path));
        const bool standard = include.path.find_first_of("./") == std::string::npos;
        const bool kernels = include.path == "immintrin.h" || first_folder(include.path) == "Eigen";
        EXPECT_TRUE(ours || standard || (in_kernel && kernels)) << include.file << " includes " << include.path;
      }
    }
  }
}

TEST(Tree, FilesFitOneIdea) {
  for (const std::string folder : {"core", "layers", "optim", "data", "models", "apps", "tests"}) {
    for (const fs::path& file : sources_under(fs::path(STRIATE_SOURCE_DIR) / folder)) {
      EXPECT_LT(lines_of(file).size(), 400U) << file;
    }
  }
}

}  // namespace
