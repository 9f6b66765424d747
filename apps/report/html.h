#pragma once
// A page of HTML that is one file: its styles, tables, and pictures as data: URIs. Called by apps/report/report.cpp.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace striate::cli {

/// The whole page. It asks the browser to fetch nothing and to run nothing (a Content-Security-Policy), is light or
/// dark as the viewer is, and fits a phone. With `refresh`, in seconds, the browser loads it again and again.
std::string html_page(const std::string& title, const std::string& body, int refresh);

/// A heading with what follows it.
std::string html_section(const std::string& title, const std::string& body);

/// One within a section, of plain text.
std::string html_heading(const std::string& text);

/// A paragraph of plain text.
std::string html_text(const std::string& text);

/// The first row names the columns, the first cell of each other row the row; cells are plain text. Numbers stand on
/// the right.
std::string html_table(const std::vector<std::vector<std::string>>& rows, const std::string& caption = "");

/// A picture of `type`, "image/png", with what it shows in words. `kind` is a class of the style: "pixels" is enlarged,
/// "whole" and "wide" stand in a class "scroll" where there may be no room.
std::string html_picture(const std::string& type, std::string_view bytes, const std::string& words,
                         const std::string& kind = "");

/// HTML with a caption of plain text below.
std::string html_figure(const std::string& html, const std::string& caption);

}  // namespace striate::cli
