#pragma once
// The Markdown that `striate ablate` writes, as HTML. Called by apps/report/report.cpp.

#include <string>

namespace striate::cli {

/// Headings, paragraphs, lists and tables; of a link the words stay. A line that is a picture alone becomes `picture`,
/// which is HTML; all else is escaped.
std::string markdown_html(const std::string& markdown, const std::string& picture);

}  // namespace striate::cli
