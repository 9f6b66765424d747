#pragma once
// The screen of all subcommands. What could not be written to stdout does not end what is under way, a training least
// of all: run() asks at the end, and makes it an error.

#include <spdlog/fmt/fmt.h>

#include <string>
#include <utility>

namespace striate::cli {

/// Writes to stdout, whether it arrives or not.
void write_screen(const std::string& text);
template <class... Values>
void show(fmt::format_string<Values...> format, Values&&... values) {
  write_screen(fmt::format(format, std::forward<Values>(values)...));
}

/// Flushes stdout. Why something did not arrive there, now or before; empty where all did.
std::string flush_screen();

/// Lines made safe to print (core/printable.h), whatever names of files and classes are in them.
std::string printable_lines(const std::string& text);

/// A line on stderr, whether it arrives or not, with the program's name in front.
void complain(const std::string& text);

/// Opens those of the descriptors 0 to 2 that are closed, so that no file of ours takes their place, on /dev/null in
/// the wrong direction, so that reading and writing them still fails.
void open_standard_files();

}  // namespace striate::cli
