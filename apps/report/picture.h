#pragma once
// Pictures, u8 (H,W,3), from numbers and from one another. `striate show`, reports and label maps draw with them;
// encode_png (data/image.h) makes files of them.

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace striate::cli {

using Colour = std::array<std::uint8_t, 3>;

inline constexpr Colour kWhite = {255, 255, 255};
inline constexpr Colour kBlack = {0, 0, 0};

/// A picture that others are put into; what would lie outside of it is left out.
class Canvas {
 public:
  explicit Canvas(Tensor pixels) : pixels_(std::move(pixels)) {}
  Canvas(std::int64_t height, std::int64_t width, Colour background = kWhite);
  /// `picture` u8 (h,w,3), or (h,w,1) for grey.
  void paste(std::int64_t top, std::int64_t left, const Tensor& picture);
  void fill(std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width, Colour colour);
  /// The lines around a square, two pixels thick; of dashes where `dash`, their length in pixels, is not 0.
  void square(std::int64_t top, std::int64_t left, std::int64_t side, Colour colour, std::int64_t dash = 0);
  /// One line in black, kLineHeight pixels high. What is no ASCII is written as "?".
  void write(std::int64_t top, std::int64_t left, const std::string& text);

  [[nodiscard]] const Tensor& picture() const { return pixels_; }

 private:
  Tensor pixels_;
};

inline constexpr std::int64_t kLineHeight = 12;
/// In pixels.
std::int64_t width_of(const std::string& text);

/// A picture with text below it, line by line.
struct Captioned {
  Tensor picture;
  std::vector<std::string> caption = {};
};

/// Pictures in rows of at most `columns`, each as wide as its widest picture or caption, one column being as wide as
/// any.
Tensor in_grid(const std::vector<Captioned>& pictures, std::int64_t columns, std::int64_t gap = 4);

/// values (H,W) of any dtype in grey, (H,W,1): the least is black, the largest white; all one value: black.
Tensor grey_picture(const Tensor& values);
/// values (H,W) in colours whose brightness grows with the value, readable in grey as well: 0 (and less) is dark blue,
/// `most` (and more) light yellow.
Tensor heat_picture(const Tensor& values, double most);
/// The first channel of a recording (1,1,L,C): from the least to the largest sample of every column, between -most and
/// most.
Tensor waveform_picture(const Tensor& recording, double most, std::int64_t height, std::int64_t width);
/// Half the picture's grey, half the heat's colour; of one size.
Tensor blended(const Tensor& picture, const Tensor& heat);
/// A picture whose longer side is about `side`: pixels enlarged by a whole number, or resized where it is larger.
Tensor sized(const Tensor& picture, std::int64_t side);
/// values (h,w) or (1,h,w) to (height,width), bilinear, f64.
Tensor stretched(const Tensor& values, std::int64_t height, std::int64_t width);

}  // namespace striate::cli
