// The terminal that a stream may be connected to, and lines that fit.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace convoy {

// Its columns now, 80 where it does not tell; 0 where `stream` is no terminal.
int terminal_width(std::FILE* stream);

// Whether `stream` is a terminal on which a line can be drawn over: TERM is set, and not "dumb".
bool can_redraw(std::FILE* stream);

// `line` broken at spaces into lines of at most `width` characters, where its words allow that; those after the first
// begin with `indent` spaces, fewer than `width`.
std::string wrapped(std::string_view line, size_t width, size_t indent);

}  // namespace convoy
