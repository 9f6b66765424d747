#pragma once
// The subcommands, a file for each in apps/cli; run.cpp calls them. Each takes the arguments after its name and returns
// the exit status; errors are thrown.

#include "apps/cli/command_line.h"

namespace striate::cli {

int run_train(const Arguments& arguments);
int run_eval(const Arguments& arguments);
int run_predict(const Arguments& arguments);
int run_summary(const Arguments& arguments);
int run_equivariance(const Arguments& arguments);
int run_show(const Arguments& arguments);
int run_report(const Arguments& arguments);
int run_export(const Arguments& arguments);
int run_find_lr(const Arguments& arguments);
int run_ablate(const Arguments& arguments);
int run_bench(const Arguments& arguments);
int run_generate(const Arguments& arguments);
int run_verify(const Arguments& arguments);

}  // namespace striate::cli
