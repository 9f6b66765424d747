// The striate program: everything is in apps/cli.

#include "apps/cli/run.h"

int main(int argc, char** argv) { return striate::run(argc, argv); }
