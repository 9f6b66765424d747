// The first picture of a GIF by giflib, what is transparent as white.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "data/decoders.h"

namespace striate {

namespace {

/// The longest code of LZW stands for so many, and takes more than a byte.
constexpr std::uint64_t kPixelsPerByte = 4096;

int read_bytes_of(GifFileType* gif, GifByteType* to, int count) {
  auto& rest = *static_cast<std::span<const std::uint8_t>*>(gif->UserData);
  const std::size_t taken = std::min(rest.size(), static_cast<std::size_t>(count));
  std::memcpy(to, rest.data(), taken);
  rest = rest.subspan(taken);
  return static_cast<int>(taken);
}

[[noreturn]] void fail(int code) {
  const char* reason = GifErrorString(code);
  throw DecodeError(reason != nullptr ? reason : "the file is truncated or damaged");
}

class Decoder {
 public:
  explicit Decoder(const Encoded& from) : from_(from), rest_(from.bytes) {
    int error = 0;
    gif_.reset(DGifOpen(&rest_, read_bytes_of, &error));
    if (!gif_) fail(error);
  }

  // To the end of the file, which may be cut short behind the first picture.
  Tensor decode() {
    Tensor first;
    for (;;) {
      GifRecordType type{};
      check(DGifGetRecordType(gif_.get(), &type));
      if (type == TERMINATE_RECORD_TYPE) break;
      if (type == EXTENSION_RECORD_TYPE) skip_extension();
      if (type != IMAGE_DESC_RECORD_TYPE) continue;
      check(DGifGetImageDesc(gif_.get()));
      if (first.defined()) {
        skip_picture();
      } else {
        first = picture();
      }
    }
    if (!first.defined()) throw DecodeError("it holds no picture");
    return first;
  }

 private:
  struct Close {
    void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
  };

  void check(int status) {
    if (status == GIF_ERROR) fail(gif_->Error);
  }

  // But for the colour that is transparent.
  void skip_extension() {
    int code = 0;
    GifByteType* block = nullptr;
    check(DGifGetExtension(gif_.get(), &code, &block));
    GraphicsControlBlock control{};
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
      transparent_ = control.TransparentColor;
    }
    while (block != nullptr) check(DGifGetExtensionNext(gif_.get(), &block));
  }

  void skip_picture() {
    int code = 0;
    GifByteType* block = nullptr;
    check(DGifGetCode(gif_.get(), &code, &block));
    while (block != nullptr) check(DGifGetCodeNext(gif_.get(), &block));
  }

  Tensor picture() {
    const GifImageDesc& frame = gif_->Image;
    const auto height = std::max(gif_->SHeight, frame.Top + frame.Height);
    const auto width = std::max(gif_->SWidth, frame.Left + frame.Width);
    if (frame.Height < 1 || frame.Width < 1 || frame.Top < 0 || frame.Left < 0) throw DecodeError("its frame is empty");
    Tensor result =
        picture_of(static_cast<std::uint64_t>(height), static_cast<std::uint64_t>(width), from_, kPixelsPerByte);
    auto* pixels = result.mutable_data<std::uint8_t>();
    std::fill_n(pixels, result.numel(), std::uint8_t{255});
    std::vector<GifPixelType> line(static_cast<std::size_t>(frame.Width));
    for (const int row : rows_of(frame)) {
      check(DGifGetLine(gif_.get(), line.data(), frame.Width));
      draw(line, pixels + 3 * (std::int64_t{frame.Top + row} * width + frame.Left));
    }
    return result;
  }

  // The frame's rows in the order in which they are stored.
  static std::vector<int> rows_of(const GifImageDesc& frame) {
    std::vector<int> rows;
    if (!frame.Interlace) {
      for (int row = 0; row < frame.Height; ++row) rows.push_back(row);
      return rows;
    }
    for (const auto& [first, step] : {std::array{0, 8}, {4, 8}, {2, 4}, {1, 2}}) {
      for (int row = first; row < frame.Height; row += step) rows.push_back(row);
    }
    return rows;
  }

  void draw(const std::vector<GifPixelType>& line, std::uint8_t* out) const {
    const ColorMapObject* colours = gif_->Image.ColorMap != nullptr ? gif_->Image.ColorMap : gif_->SColorMap;
    if (colours == nullptr) throw DecodeError("it has no palette");
    for (const GifPixelType index : line) {
      if (index == transparent_) {
        out += 3;
        continue;
      }
      if (index >= colours->ColorCount) throw DecodeError("a colour that its palette does not have");
      const GifColorType& colour = colours->Colors[index];
      *out++ = colour.Red;
      *out++ = colour.Green;
      *out++ = colour.Blue;
    }
  }

  Encoded from_;
  std::span<const std::uint8_t> rest_;
  std::unique_ptr<GifFileType, Close> gif_;
  int transparent_ = NO_TRANSPARENT_COLOR;
};

}  // namespace

Tensor decode_gif(const Encoded& from) { return Decoder(from).decode(); }

}  // namespace striate
