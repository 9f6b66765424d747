// `striate report` and `train --report`: the page is whole, asks for nothing from outside, and says what it leaves out.
// tests/report_test.py opens pages in Chromium.

#include "apps/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <string>
#include <vector>

#include "apps/report/curves.h"
#include "apps/report/html.h"
#include "apps/report/markdown.h"
#include "core/safetensors.h"
#include "data/image.h"
#include "tests/support/small_run.h"

namespace striate::cli {
namespace {

using namespace testing_support;

const std::string kResults = STRIATE_SOURCE_DIR "/docs/results/";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_TRUE(contains(text, part)) << "\"" << part << "\" is missing";
}

/// Without style, and with the first characters of attributes alone: std::regex takes stack for every character.
std::string with_short_values(std::string page) {
  for (std::size_t at; (at = page.find("<style>")) != std::string::npos;)
    page.erase(at, page.find("</style>", at) + std::string("</style>").size() - at);
  std::string result;
  bool in_tag = false, quoted = false;
  std::size_t length = 0;
  for (const char c : page) {
    if (!quoted && c == '<') in_tag = true;
    if (!quoted && c == '>') in_tag = false;
    if (in_tag && c == '"') {
      quoted = !quoted;
      length = 0;
    } else if (quoted) {
      EXPECT_TRUE(c != '<' && c != '>') << "in an attribute";
      if (++length > 100) continue;
    }
    result += c;
  }
  return result;
}

/// Tags are closed in their order and attributes quoted, pictures lie in the page and have words, nothing runs.
void expect_sound(const std::string& page) {
  static const std::regex tag(R"re(<(/?)([a-z0-9]+)((?: +[a-zA-Z0-9:-]+(?:="[^"<>]*")?)*) *(/?)>)re");
  std::vector<std::string> open;
  std::string rest = with_short_values(page);
  ASSERT_TRUE(rest.starts_with("<!doctype html>"));
  rest.erase(0, rest.find('\n'));
  for (std::sregex_iterator it(rest.begin(), rest.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2], attributes = (*it)[3];
    static const std::regex value("\"[^\"]*\"");
    EXPECT_FALSE(contains(std::regex_replace(attributes, value, ""), " on")) << attributes;
    if (name == "img") {
      EXPECT_TRUE(contains(attributes, "src=\"data:image/") && !contains(attributes, "alt=\"\"")) << attributes;
    }
    if (name == "svg" && (*it)[1].length() == 0) {
      EXPECT_TRUE(contains(attributes, "aria-label=") || contains(attributes, "aria-hidden=")) << attributes;
    }
    if (name == "meta" || name == "img" || (*it)[4].length() > 0) continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << name;
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_FALSE(contains(std::regex_replace(rest, tag, ""), "<")) << "what is no tag is escaped";
  for (const char* part : {"<script", "<link", "<iframe", "url(", "http:", "https:"})
    EXPECT_FALSE(contains(page, part));
  expect_parts(page, {"default-src 'none'", "name=\"viewport\"", "prefers-color-scheme:dark"});
}

std::string report(std::vector<std::string> arguments, const std::filesystem::path& out) {
  arguments.insert(arguments.begin(), "report");
  arguments.insert(arguments.end(), {"--out", out.string()});
  const Outcome outcome = striate(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return read_text(out);
}

TEST(Report, TrainWritesOneAndTheCommandTheSame) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  const Outcome stopped = striate(small_train(run, {"--epochs", "2", "--report", "--max-steps", "10"}));
  ASSERT_EQ(stopped.status, 0) << stopped.err;
  expect_sound(read_text(run / "report.html"));
  expect_parts(read_text(run / "report.html"), {"Left out", "stopped before its end"});

  ASSERT_EQ(striate({"train", "--resume", "--out", run.string(), "--max-steps", "0"}).status, 0);
  const std::string page = read_text(run / "report.html");
  expect_sound(page);
  expect_parts(page, {"<h2>Results</h2>", "<h2>Curves</h2>", "<h2>Flags</h2>", "<h2>Model vgg11</h2>",
                      "<h2>Filters of the first layer</h2>", "<h2>Confusion</h2>", "<h2>Most confident mistakes</h2>",
                      "<h2>Receptive fields</h2>", "Grad-CAM of", "the input gradient of", "maps of 32x32", "conv1_1",
                      "taken for", "Loss by epoch. test: ", "width-multiplier"});
  EXPECT_FALSE(contains(page, "http-equiv=\"refresh\"")) << "the run is over";
  EXPECT_FALSE(contains(page, "<h2>Left out</h2>"));
  expect_parts(report_html({.folders = {run}, .refresh = 10}), {"http-equiv=\"refresh\" content=\"10\""});

  const std::string again = report({run.string(), "--data", small_data().string()}, folder.path() / "again.html");
  const auto from_model = [](const std::string& text) { return text.substr(text.find("<h2>Model")); };
  EXPECT_EQ(from_model(again), from_model(page));
  const std::string without = report({run.string()}, folder.path() / "without.html");
  expect_sound(without);
  expect_parts(without, {"<h2>Filters of the first layer</h2>", "<h2>Left out</h2>", "test images (--data)"});

  TensorFile weights = read_safetensors(run / "weights.safetensors");
  Tensor first = weights.find("features.0.weight");  // the same memory
  first.copy_from(Tensor::full(first.shape(), std::nan(""), first.dtype()));
  const auto diverged = (folder.path() / "diverged.safetensors").string();
  write_safetensors(diverged, weights);
  const std::string told =
      report({run.string(), "--weights", diverged, "--data", small_data().string()}, diverged + ".html");
  expect_sound(told);
  expect_parts(told, {"the loss is not finite, training must have diverged"});
}

TEST(Report, NamesAreEscaped) {
  const TempFolder folder;
  const std::string hostile = "<img src=x onerror=alert(1)>\"'&";
  Tensor image = Tensor::full({32, 32, 3}, 0, DType::u8);
  for (const char* split : {"train", "test"}) {
    for (int i = 0; i < 6; ++i) {
      image.mutable_data<std::uint8_t>()[i] = 200;
      const std::vector<std::uint8_t> png = encode_png(image);
      const std::string name =
          std::string(split) + (i % 2 == 0 ? "/plain/" : "/" + hostile + "/") + "<b>" + std::to_string(i) + ".png";
      folder.write("data/" + name, {png.begin(), png.end()});
    }
  }
  const auto run = folder.path() / ("run" + hostile);
  const std::string data = (folder.path() / "data").string();
  const Outcome trained = striate({"train", "--model", "vgg11", "--width-multiplier", "0.0625", "--data", data, "--out",
                                   run.string(), "--epochs", "1", "--batch-size", "6", "--threads", "1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string page = report({run.string(), "--data", data}, folder.path() / "page.html");
  expect_sound(page);
  EXPECT_FALSE(contains(page, "<img src=x"));
  EXPECT_TRUE(contains(page, "run&lt;img src=x onerror=alert(1)&gt;&quot;'&amp;"));
}

TEST(Report, SeedsAreABandAndWithoutWeightsItSaysSo) {
  const TempFolder folder;
  const std::string page = report({kResults + "vgg16-30-epochs"}, folder.path() / "page.html");
  expect_sound(page);
  expect_parts(page, {"vgg16-30-epochs (3 seeds)", "90.00 (0.09)", "class=\"area", "ema_test",
                      "All flags that change results", "<h2>Left out</h2>", "no weights.safetensors"});
  const std::string two = report({kResults + "vgg16-30-epochs", kResults + "lenet-mnist", kResults + "rotated-mnist"},
                                 folder.path() / "two.html");
  expect_sound(two);
  expect_parts(two, {"What differs", "<td>lenet</td>", "In common", "no config.toml of rotated-mnist/p4cnn (3 seeds)"});
}

TEST(Report, AnAblationsTablesChartAndCurves) {
  const TempFolder folder;
  const std::string shipped = report({kResults + "bag-of-tricks"}, folder.path() / "page.html");
  expect_sound(shipped);
  expect_parts(shipped, {"<h3>Leave one out</h3>", "data:image/svg+xml;base64,", "<th scope=\"row\">+distillation</th>",
                         "which do not lie here"});
  const std::string epochs = "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,test_top5,learning_rate\n";
  folder.write(
      "ablation/report.md",
      "# Title\n\nWhat *it* is.\n\n![chart](chart.svg)\n\n## One\n\n| cell | mean |\n|---|---|\n| a \\| b | 1 |\n");
  folder.write("ablation/results.csv", "cell,seed\n");
  for (const char* seed : {"0", "1"}) {
    const std::string run = std::string("ablation/runs/wide/seed-") + seed;
    folder.write(run + "/metrics.csv", epochs + "1,5,2,0.5,2.5,0.25,0.5,0.1\n2,10,1,0.75,,,,0.1\n");
    folder.write(run + "/config.toml", "lr = 0.5\nseed = " + std::string(seed) + "\n");
  }
  const std::string page = report({(folder.path() / "ablation").string()}, folder.path() / "own.html");
  expect_sound(page);
  expect_parts(page, {"<h1>ablation</h1>", "<th scope=\"row\">a | b</th>", "no chart.svg", "wide (2 seeds)"});
}

TEST(Report, WhatIsNoRunIsRefusedAndThePageThatWasThereKept) {
  const TempFolder folder;
  const std::string page = folder.write("page.html", "precious").string();
  const std::string epochs = "epoch,test_loss\n";
  const std::string empty = (folder.path() / "empty").string(), file = folder.write("file", "x").string();
  std::filesystem::create_directory(empty);
  const auto run = [&](const std::string& name, const std::string& csv, const std::string& config = "") {
    if (!config.empty()) folder.write(name + "/config.toml", config);
    return folder.write(name + "/metrics.csv", csv).parent_path().string();
  };
  const std::string pixels = run("pixels", "epoch,test_loss,test_miou\n1,2,0.5\n");
  const std::string whole = run("whole", epochs + "1,0.5\n");
  struct Case {
    std::vector<std::string> runs;
    int status;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{empty}, 1, "holds no run"},
      {{file}, 1, "expected the folder of a run, got a file"},
      {{empty + "/gone"}, 1, "it is not there"},
      {{folder.path().string()}, 1, "there are runs below"},
      {{run("cut", epochs + "1,0.5")}, 1, "line 2 is cut off"},
      {{run("ragged", epochs + "1,0.5,7\n")}, 1, "line 2 has 3 columns"},
      {{run("words", epochs + "1,0.5\n2,low\n")}, 1, "line 3, test_loss: expected a number, got low"},
      {{run("other", "a,b\n1,2\n")}, 1, "expected a column epoch"},
      {{run("nothing", "")}, 1, "is empty"},
      {{run("config", epochs + "1,0.5\n", "= 3\n")}, 1, "config.toml"},
      {{whole, pixels}, 2, "expected runs of one task"},
      {{whole, "--weights", file}, 1, "safetensors"},
      {{whole, "--weights", empty + "/gone"}, 1, "gone"},
      {{whole, "--split", "tset"}, 2, "did you mean test"},
      {{}, 2, "RUN is required"},
  };
  for (const Case& one : cases) {
    std::vector<std::string> arguments = {"report", "--out", page};
    arguments.insert(arguments.end(), one.runs.begin(), one.runs.end());
    const Outcome outcome = striate(arguments);
    EXPECT_EQ(outcome.status, one.status) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, one.message)) << "expected: " << one.message << "\ngot: " << outcome.err;
    EXPECT_EQ(read_text(page), "precious");
  }
  EXPECT_EQ(striate({"report", whole}).status, 2) << "without --out";
  EXPECT_TRUE(contains(striate({"report", whole, "--out", whole + "/metrics.csv"}).err, "ends in .html"));
  EXPECT_TRUE(contains(striate({"report", whole, "--out", empty + "/gone/p.html"}).err, "--out must be a file in"));
  expect_sound(report({run("begun", epochs)}, page));
  EXPECT_TRUE(contains(read_text(page), "No epoch has ended yet."));
}

TEST(Report, CurvesOfAwkwardValues) {
  EXPECT_EQ(curves_figure("Loss", {{.label = "nothing"}}), "");
  const auto figure = [](std::vector<std::pair<double, double>> points) {
    return curves_figure("Loss", {{.label = "a<b", .points = std::move(points)}});
  };
  for (const auto& one : {figure({{1, 0.5}}), figure({{1, 0}, {2, 0}}), figure({{1, -3}, {2, 1e-300}}),
                          figure({{1, 0.1}, {2, 0.10000000000000002}}), figure({{1e17, 1}, {1e17 + 16, 2}})}) {
    EXPECT_FALSE(contains(one, "nan") || contains(one, "inf")) << one;
    EXPECT_TRUE(contains(one, "a&lt;b"));
  }
  const std::string spike = figure({{1, 2}, {2, 1}, {3, 1000}, {4, 1}, {5, 1}});
  expect_parts(spike, {"Loss, logarithmic", "highest 1000 at epoch 3"});
}

TEST(Report, PiecesOfAPage) {
  EXPECT_TRUE(contains(html_picture("image/png", "Man", "x"), "data:image/png;base64,TWFu\""));
  EXPECT_TRUE(contains(html_picture("image/png", "Ma", "x"), "base64,TWE=\""));
  EXPECT_TRUE(contains(html_picture("image/png", "M", "x"), "base64,TQ==\""));
  EXPECT_TRUE(contains(markdown_html("| a | b |\n|---|---|\n| 1 |\n", ""), "1"));
  EXPECT_TRUE(contains(markdown_html(std::string(100000, '['), ""), "[[["));
  EXPECT_EQ(markdown_html("Some `code`, a [link](x.md)\nand **more**.\n\n- one\n- two\n\n![chart](c.svg)\n", "<hr/>"),
            "<p>Some code, a link and more.</p>\n<p>• one</p>\n<p>• two</p>\n<hr/>");
}

}  // namespace
}  // namespace striate::cli
