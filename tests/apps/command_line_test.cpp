// Flags, config files, and what is said about wrong ones.

#include "apps/cli/command_line.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "apps/cli/toml.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

void expect_refused(const std::vector<std::string>& arguments, const std::string& message) {
  const Outcome outcome = striate(arguments);
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.err.find(message), std::string::npos) << "expected: " << message << "\ngot: " << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

TEST(CommandLine, HelpListsCommandsAndFlags) {
  const Outcome all = striate({"--help"});
  EXPECT_EQ(all.status, 0);
  for (const char* command :
       {"train", "eval", "predict", "summary", "equivariance", "report", "export", "bench", "generate", "verify"}) {
    EXPECT_NE(all.out.find(command), std::string::npos);
    const Outcome one = striate({command, "--help"});
    EXPECT_EQ(one.status, 0);
    EXPECT_NE(one.out.find("--config"), std::string::npos) << one.out;
    EXPECT_NE(one.out.find(std::string("Usage: striate ") + command + " ["), std::string::npos) << one.out;
  }
  EXPECT_EQ(striate({}).status, 2);
}

TEST(CommandLine, VersionTellsWhatItIs) {
  for (const char* flag : {"--version", "-V", "version"}) {
    const Outcome outcome = striate({flag});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_TRUE(outcome.out.starts_with("striate 0.1")) << outcome.out;
    EXPECT_NE(outcome.out.find("commit"), std::string::npos) << outcome.out;
  }
}

TEST(CommandLine, NamesOfOtherProgramsAreKnown) {
  expect_refused({"train", "--learning-rate", "0.1"}, "unknown flag --learning-rate; did you mean --lr?");
  expect_refused({"train", "--batch_size=8"}, "did you mean --batch-size?");
  expect_refused({"train", "--num_workers=8"}, "did you mean --workers?");
  expect_refused({"eval", "--ckpt", "x"}, "did you mean --weights?");
  const TempFolder folder;
  expect_refused({"train", "--config", folder.write("c.toml", "learning_rate = 0.1\n").string()}, "did you mean --lr?");
}

TEST(CommandLine, WrongNamesAreAnsweredWithTheNearest) {
  expect_refused({"trian"}, "unknown command trian; did you mean train?");
  expect_refused({"train", "--bach-size", "3"}, "unknown flag --bach-size; did you mean --batch-size?");
  expect_refused({"train", "--nestrov"}, "unknown flag --nestrov; did you mean --nesterov?");
  expect_refused({"train", "-lr", "0.1"}, "unknown flag -lr: flags have two dashes");
  expect_refused({"eval", "--wieghts=x"}, "unknown flag --wieghts; did you mean --weights?");
  expect_refused({"summary", "vgg61"}, "vgg16");
  expect_refused(small_train("/nowhere", {"--model", "vgg1"}), "vgg1");
  expect_refused(small_train("/nowhere", {"--precision", "fp23"}), "did you mean fp32?");
  expect_refused(small_train("/nowhere", {"--schedule", "cosin"}), "cosine");
}

TEST(CommandLine, ValuesAreChecked) {
  const TempFolder folder;
  const auto out = folder.path() / "run";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--epochs", "0"}, "--epochs must be from 1 to 1000000, got 0"},
      {{"--batch-size", "-3"}, "--batch-size must be from 1 to 1000000, got -3"},
      {{"--lr", "nan"}, "--lr must be 0 or more, got nan"},
      {{"--label-smoothing", "1.5"}, "--label-smoothing must be from 0 to 1"},
      {{"--dropout", "-0.1"}, "--dropout must be from 0 to 1"},
      {{"--augment", "some"}, "--augment must be one of standard, imagenet, trivial, rand, none, got some"},
      {{"--width-multiplier", "0"}, "--width-multiplier must be more than 0"},
      {{"--milestones", "3,x"}, "--milestones must be epochs like 60,90"},
      {{"--epochs", "many"}, "--epochs"},
      {{"--gamma", "-1"}, "--gamma must be more than 0, got -1"},
      {{"--schedule", "multistep"}, "--milestones must be given with --schedule multistep"},
      {{"--init", "w\xff.safetensors"}, "must be UTF-8"},
      {{"--head-lr", "1e308"}, "--head-lr must be a finite multiple of --lr 0.1"},
      {{"--threads", "-2"}, "--threads must be from 0 to 1024, got -2"},
      {{"--whiten=2"}, "--whiten must be true or false, got 2"},
      {{"--cutout", "100"}, "--cutout: expected a cutout of less than 64 "},
      {{"--optimizer", "sgd:momentum=-1"}, "--optimizer: expected momentum >= 0, got -1"},
      {{"--std", "1e-300"}, "a mean and a std (--mean, --std) with finite images"},
  };
  for (const auto& [flags, message] : cases) expect_refused(small_train(out, flags), message);
  EXPECT_FALSE(std::filesystem::exists(out / "checkpoint.safetensors"));
  expect_refused({"bench", "--optimizer", "sgd:momentum=-1"}, "--optimizer: expected momentum >= 0, got -1");
  expect_refused({"summary", "vgg11:width_multiplier=0.5", "--width-multiplier", "0.25"}, "both set width_multiplier");
}

// What a shell makes of a variable that is not set.
TEST(CommandLine, AValueIsNotTheNextFlag) {
  const TempFolder folder;
  const auto out = folder.path() / "run";
  expect_refused({"train", "--out", "--resume"}, "--out needs a value, and --resume follows, which is a flag");
  expect_refused({"eval", "--weights", "--data=x"}, "--weights needs a value, and --data follows");
  expect_refused({"generate", "--out=", "--train=10"}, "--out must be a folder, got nothing");
  expect_refused({"ablate", "x.toml", "--out="}, "--out must be a folder, got nothing");
  expect_refused(small_train(out, {"--lr", ""}), "--lr: expected a number, got nothing");
  expect_refused(small_train(out, {"--lr=", "--nesterov"}), "--lr: expected a number, got nothing");
  expect_refused(small_train(out, {"--epochs=", "--nesterov"}), "--epochs: expected a whole number, got nothing");
  expect_refused(small_train(out, {"--whiten="}), "--whiten must be true or false, got nothing");
  const std::string config = folder.write("empty.toml", "init = \"\"\nfreeze = []\nlr = 0.03\n").string();
  const Outcome outcome = striate(small_train(out, {"--config", config, "--init=", "--max-steps=1"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const std::string effective = read_text(out / "config.toml");
  EXPECT_NE(effective.find("lr = 0.03\n"), std::string::npos) << effective;
  EXPECT_NE(effective.find("max-steps = 1\n"), std::string::npos) << effective;
  EXPECT_EQ(effective.find("init"), std::string::npos) << effective;
}

TEST(CommandLine, DataSetsOfFilesNeedAPath) {
  const TempFolder folder;
  const std::string out = (folder.path() / "run").string();
  unsetenv("STRIATE_DATA");
  expect_refused({"train", "--model", "lenet", "--dataset", "mnist", "--out", out}, "no data: give --data DIR");
  expect_refused({"verify", "--dataset", "cifar100:coarse=true"}, "verify needs the data folder");
}

TEST(CommandLine, FlagsMayComeFromAConfigFile) {
  const TempFolder folder;
  const auto config =
      folder.write("config.toml", "epochs = 1\nlr = 0.02\nnesterov = false\nschedule = \"step\"\n").string();
  const auto out = folder.path() / "run";
  const Outcome outcome =
      striate({"train", "--config", config, "--data", small_data().string(), "--out", out.string(), "--model", "vgg11",
               "--width-multiplier", "0.0625", "--lr=0.03", "--threads", "1", "--max-steps", "2"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const std::string effective = read_text(out / "config.toml");
  for (const char* line :
       {"epochs = 1\n", "lr = 0.03\n", "nesterov = false\n", "schedule = \"step\"\n", "momentum = 0.9\n"}) {
    EXPECT_NE(effective.find(line), std::string::npos) << line << " is missing in\n" << effective;
  }
}

// What belongs to another choice that the file makes goes where the command line chooses otherwise.
TEST(CommandLine, FlagsBelongToChoices) {
  const TempFolder folder;
  const auto with = [&](const std::string& text, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--config", folder.write("c.toml", text).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return small_train(folder.path() / "run", arguments);
  };
  const std::string steps = "schedule = \"multistep\"\nmilestones = [1, 2]\ngamma = 0.2\n";
  expect_refused(with(steps + "power = 2\n", {}), "--power belongs to --schedule poly, got --schedule multistep");
  expect_refused(with(steps, {"--step-size", "2"}), "--step-size belongs to --schedule step, got --schedule multistep");
  expect_refused(with("momentum = 0.8\n", {"--beta1", "0.8"}), "--beta1 belongs to --optimizer adamw");
  const std::string config = folder.path() / "run/config.toml";
  ASSERT_EQ(striate(with(steps + "momentum = 0.8\npower = 1\n",
                         {"--schedule", "cosine", "--optimizer", "adamw", "--max-steps", "1"}))
                .status,
            0);
  EXPECT_EQ(read_text(config).find("milestones"), std::string::npos);
  EXPECT_EQ(read_text(config).find("momentum"), std::string::npos);
}

TEST(CommandLine, TheWrittenConfigRepeatsTheRun) {
  const TempFolder folder;
  const auto first = folder.path() / "first";
  const auto second = folder.path() / "second";
  ASSERT_EQ(striate(small_train(first, {"--epochs", "1", "--mixup", "0.3", "--no-bias-decay", "--seed", "4"})).status,
            0);
  const Outcome again = striate({"train", "--config", (first / "config.toml").string(), "--out", second.string()});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(weights_of(first), weights_of(second));
}

TEST(CommandLine, BadConfigFiles) {
  const TempFolder folder;
  expect_refused({"train", "--config", (folder.path() / "none.toml").string()}, "--config needs a file");
  expect_refused({"train", "--config", folder.path().string()}, "--config needs a file");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"epohcs = 3", "unknown flag --epohcs in "},
      {"lr = [0.5", "bad.toml, line 1: Error while parsing array"},
      {"lr = = 3", "line 1: Error while parsing value"},
      {"lr = 0.5 0.6", "line 1: Error while parsing key-value pair"},
      {"\nlr", "line 2: Error while parsing key-value pair: expected '='"},
      {"lr = fast", "line 1: Error while parsing"},
      {"model = \"vgg16", "line 1: Error while parsing string"},
      {"lr = 1\nlr = 2", "line 2: Error while parsing key-value pair: cannot redefine existing integer 'lr'"},
      {"lr = 1979-05-27", "line 1: expected a number, true, false, text in quotes, or an array of these"},
      {"\nmilestones = [1, [2]]", "line 2: expected a number"},
      {"lr = 1\n  [=", "line 2: expected a table's name behind ["},
      {"[\xc3\xa9]", "line 1: expected a table's name behind ["},
      {"[[", "line 1: expected a table's name behind ["},
      {"[lr]\nvalue = 1", "expected flags alone, got a table [lr]"},
      {"config = \"other.toml\"", "cannot name another"},
      {"help = false", "help is for the command line"},
      {"whiten = \"yes\"", "--whiten must be true or false, got yes"},
      {"out = \"a\\u0000b\"", "without zero bytes"},
      {"a = [[[[[[[[[[1]]]]]]]]]]", "line 1: Error while parsing value: exceeded maximum nested value depth of 8\n"},
  };
  for (const auto& [text, message] : cases) {
    expect_refused({"train", "--config", folder.write("bad.toml", text + "\n").string()}, message);
  }
}

TEST(CommandLine, NumbersAreDecimalAndWhole) {
  for (const char* number : {"010", "0x10", "3.5", "99999999999999999999", "1e3", ""}) {
    EXPECT_EQ(striate(small_train("/nowhere", {std::string("--epochs=") + number})).status, 2) << number;
  }
  for (const char* seed : {"-1", "18446744073709551616"}) {
    EXPECT_EQ(striate(small_train("/nowhere", {"--seed", seed})).status, 2) << seed;
  }
  for (const char* number : {"0x10", "1e999", "1,5", " "}) {
    expect_refused(small_train("/nowhere", {"--lr", number}), std::string("--lr: expected a number, got ") + number);
  }
  for (const char* command : {"train", "bench"}) {
    expect_refused({command, "--threads", "100000"}, "--threads must be from 0 to 1024");
    expect_refused({command, "--batch-size", "9223372036854775807"}, "--batch-size must be from 1 to 1000000");
  }
  expect_refused({"summary", "vgg16", "--input", "32x32x3x"}, "--input must be HxWxC");
  expect_refused({"summary", "vgg16", "--input", "032x32x3"}, "--input must be HxWxC");
}

TEST(Toml, ReadsBackWhatItWrote) {
  const cli::Values values = {
      {"out", "a \"b\" # \\ [c], d"}, {"lr", "0.1"}, {"nesterov", "true"}, {"name", "1 2"}, {"empty", ""}};
  cli::Values expected = values;
  expected.pop_back();
  EXPECT_EQ(cli::parse_toml(cli::to_toml(values), "x"), expected);
  EXPECT_EQ(cli::parse_toml("milestones = [1, 2] # both\n  lr=1e-1\n\n# all\nname = 'a\\b'\n", "x"),
            (cli::Values{{"milestones", "1,2"}, {"lr", "0.1"}, {"name", "a\\b"}}));
}

// What reads back as another number, or as none, is written as text.
TEST(Toml, WritesTextThatLooksLikeNumbers) {
  const cli::Values values = {{"a", "1.50"}, {"b", "010"}, {"c", "18446744073709551615"},
                              {"d", "+1"},   {"e", "inf"}, {"f", "1e5"},
                              {"g", "1.0"},  {"h", "-3"},  {"i", "\x01\x7f\n"}};
  EXPECT_EQ(cli::parse_toml(cli::to_toml(values), "x"), values);
}

TEST(Toml, IsTheWholeStandard) {
  EXPECT_EQ(
      cli::parse_toml("\xef\xbb\xbfmilestones = [\n  60, # first\n  90,\n]\r\nseed = 0x1F\n\"lr\" = 1_0.5\n", "x"),
      (cli::Values{{"milestones", "60,90"}, {"seed", "31"}, {"lr", "10.5"}}));
  const auto tables = cli::parse_toml_tables("[trick.b]\nx = 1\n[cell.c]\n[trick.a]\nz = 2\ny = 3\n", "x");
  ASSERT_EQ(tables.size(), 4U);
  EXPECT_EQ(tables[0].header, "");
  EXPECT_EQ(tables[1].header, "trick.b");
  EXPECT_EQ(tables[2].header, "cell.c");
  EXPECT_EQ(tables[3].values, (cli::Values{{"z", "2"}, {"y", "3"}}));
}

TEST(Toml, LettersOfOtherAlphabetsStandInTextAndCommentsOnly) {
  EXPECT_EQ(cli::parse_toml("out = \"\u00e9t\u00e9\" # \u0387\n", "x"), (cli::Values{{"out", "\u00e9t\u00e9"}}));
  for (const char* wrong : {"lr = \u0387", "\u00b5 = 1", "lr = 1 \u0416", "[\u00e9]"}) {
    EXPECT_THROW(cli::parse_toml(wrong, "any.toml"), cli::UsageError) << wrong;
  }
}

TEST(Toml, LongAndDeepTextIsReadOrRefused) {
  const auto times = [](int count, const std::string& text) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  for (const std::string& text :
       {"a = " + times(100000, "1"), "a = " + times(100000, "["), times(200000, "a.") + "b = 1",
        "a = " + times(9, "{a = "), "[" + times(200000, "a.") + "b]", "a = '" + times(2000000, "b") + "'",
        "a = " + times(100000, "-1e")}) {
    EXPECT_THROW(cli::parse_toml(text, "x"), cli::UsageError) << text.substr(0, 20);
  }
  EXPECT_EQ(cli::parse_toml_tables("[" + times(200000, "a") + "]\n", "x").size(), 2U);
  const std::string path = times(100000, "a");
  EXPECT_EQ(cli::parse_toml("a = '" + path + "'", "x"), (cli::Values{{"a", path}}));
}

}  // namespace
}  // namespace striate
