// PNG by libpng.
#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>
#include <new>
#include <vector>

#include "data/decoders.h"
#include "data/orientation.h"

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
      const png_byte exif[] = {'e', 'X', 'I', 'f', '\0'};
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_read_info(png_, info_);
    });
    const unsigned bits = png_get_bit_depth(png_, info_) * png_get_channels(png_, info_);
    const std::uint64_t height = png_get_image_height(png_, info_);
    const std::uint64_t width = png_get_image_width(png_, info_);
    Tensor picture = picture_of(height, width, from_, kMostUnpacked * 8 / bits);
    const unsigned colours = png_get_color_type(png_, info_);
    const bool indexed = colours == PNG_COLOR_TYPE_PALETTE;
    const bool alpha =
        !indexed && ((colours & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png_, info_, PNG_INFO_tRNS) != 0);
    const std::uint64_t channels = indexed ? 1 : alpha ? 4 : 3;
    int passes = 1;
    guarded([&] {
      if (indexed) {
        png_set_packing(png_);  // a byte for each
      } else {
        // To RGB or RGBA of 8 bits: of 16 bits the upper eight, as Pillow has it.
        png_set_expand_gray_1_2_4_to_8(png_);
        if (alpha) png_set_tRNS_to_alpha(png_);
        png_set_strip_16(png_);
        png_set_gray_to_rgb(png_);
      }
      passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    if (png_get_rowbytes(png_, info_) != channels * width) throw DecodeError("its kind of pixels is not read");
    auto* pixels = picture.mutable_data<std::uint8_t>();
    // Rows of indices become colours in their place; those with alpha need more room, for all passes of an interlaced
    // file.
    std::vector<std::uint8_t> with_alpha(alpha ? 4 * height * width : 0);
    std::uint8_t* rows = alpha ? with_alpha.data() : pixels;
    const std::uint64_t row_bytes = (alpha ? 4 : 3) * width;
    for (int pass = 0; pass < passes; ++pass) {
      for (std::uint64_t row = 0; row < height; ++row) {
        guarded([&] { png_read_row(png_, rows + row * row_bytes, nullptr); });
      }
    }
    guarded([&] { png_read_end(png_, info_); });
    for (std::uint64_t row = 0; indexed && row < height; ++row) look_up(pixels + row * row_bytes, width);
    for (std::size_t i = 0; i < with_alpha.size(); i += 4) {
      for (std::size_t c = 0; c < 3; ++c) *pixels++ = over_white(with_alpha[i + c], with_alpha[i + 3]);
    }
    return upright(picture, stored_orientation());
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp reason) {
    auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
    std::strncpy(decoder->reason_.data(), reason, decoder->reason_.size() - 1);
    std::longjmp(decoder->jump_, 1);  // NOLINT(cert-err52-cpp): libpng wants no return
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
    if (setjmp(jump_) != 0) throw DecodeError(reason_.data());  // NOLINT(cert-err52-cpp): as above
    call();
  }

  [[nodiscard]] int stored_orientation() const {
    png_bytep exif = nullptr;
    png_uint_32 count = 0;
    return png_get_eXIf_1(png_, info_, &count, &exif) != 0 ? exif_orientation({exif, count}) : 1;
  }

  /// A row of indices to colours, in its place. libpng would take those beyond the palette's end for black.
  void look_up(std::uint8_t* row, std::uint64_t width) {
    png_colorp colours = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &colours, &count);
    png_bytep alphas = nullptr;
    int alpha_count = 0;
    png_get_tRNS(png_, info_, &alphas, &alpha_count, nullptr);
    for (std::uint64_t x = width; x-- > 0;) {
      if (row[x] >= count) throw DecodeError("a colour that its palette does not have");
      const png_color& colour = colours[row[x]];
      const unsigned alpha = row[x] < alpha_count ? alphas[row[x]] : 255;
      row[3 * x + 2] = over_white(colour.blue, alpha);
      row[3 * x + 1] = over_white(colour.green, alpha);
      row[3 * x] = over_white(colour.red, alpha);
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
