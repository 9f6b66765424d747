// PNG by libpng.
#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>
#include <new>

#include "data/decoders.h"

namespace striate {

namespace {

/// What zlib can pack into a byte at most, in bytes.
constexpr std::uint64_t kMostUnpacked = 1032;

class Decoder {
 public:
  explicit Decoder(const Encoded& from)
      : from_(from), png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning)) {
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Tensor decode() {
    guarded([&] {
      png_set_read_fn(png_, this, on_read);
      png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
      // Texts and colour profiles, which are packed, would be unpacked and kept: gigabytes from a small file.
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_read_info(png_, info_);
    });
    const unsigned bits = png_get_bit_depth(png_, info_) * png_get_channels(png_, info_);
    const std::uint64_t height = png_get_image_height(png_, info_);
    const std::uint64_t width = png_get_image_width(png_, info_);
    Tensor picture = picture_of(height, width, from_, kMostUnpacked * 8 / bits);
    const bool indexed = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE;
    int passes = 1;
    guarded([&] {
      if (indexed) {
        png_set_packing(png_);  // a byte for each
      } else {
        // To RGB of 8 bits: of 16 bits the upper eight, and alpha is dropped, as Pillow has it.
        png_set_expand_gray_1_2_4_to_8(png_);
        png_set_strip_16(png_);
        png_set_strip_alpha(png_);
        png_set_gray_to_rgb(png_);
      }
      passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    if (png_get_rowbytes(png_, info_) != (indexed ? 1 : 3) * width) throw DecodeError("its kind of pixels is not read");
    auto* pixels = picture.mutable_data<std::uint8_t>();
    for (int pass = 0; pass < passes; ++pass) {
      for (std::uint64_t row = 0; row < height; ++row) {
        guarded([&] { png_read_row(png_, pixels + row * 3 * width, nullptr); });
      }
    }
    guarded([&] { png_read_end(png_, nullptr); });
    for (std::uint64_t row = 0; indexed && row < height; ++row) look_up(pixels + row * 3 * width, width);
    return picture;
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp reason) {
    auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
    std::strncpy(decoder->reason_.data(), reason, decoder->reason_.size() - 1);
    std::longjmp(decoder->jump_, 1);  // NOLINT(cert-err52-cpp)
  }

  /// Of what does not touch the pixels: a colour profile that is none, a comment too long.
  static void on_warning(png_structp /*png*/, png_const_charp /*reason*/) {}

  static void on_read(png_structp png, png_bytep to, std::size_t count) {
    auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
    std::span<const std::uint8_t>& rest = decoder->rest_;
    if (count > rest.size()) png_error(png, "the file is truncated");
    std::memcpy(to, rest.data(), count);
    rest = rest.subspan(count);
  }

  /// Calls functions of libpng, and throws what they fail with. `call` holds nothing that a jump out of it would leave
  /// behind.
  template <class Call>
  [[gnu::noinline]] void guarded(const Call& call) {
    if (setjmp(jump_) != 0) throw DecodeError(reason_.data());  // NOLINT(cert-err52-cpp)
    call();
  }

  /// A row of indices to colours, in its place. libpng would take those beyond the palette's end for black.
  void look_up(std::uint8_t* row, std::uint64_t width) {
    png_colorp colours = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &colours, &count);
    for (std::uint64_t x = width; x-- > 0;) {
      if (row[x] >= count) throw DecodeError("a colour that its palette does not have");
      const png_color& colour = colours[row[x]];
      row[3 * x + 2] = colour.blue;
      row[3 * x + 1] = colour.green;
      row[3 * x] = colour.red;
    }
  }

  Encoded from_;
  std::span<const std::uint8_t> rest_ = from_.bytes;
  std::jmp_buf jump_{};
  std::array<char, 200> reason_{};
  png_structp png_;
  png_infop info_ = nullptr;
};

}  // namespace

Tensor decode_png(const Encoded& from) { return Decoder(from).decode(); }

}  // namespace striate
