// PNG by libpng.
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "data/decoders.h"
#include "data/image.h"
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
    read_header();
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
    read_rows(rows, height, row_bytes, passes);
    for (std::uint64_t row = 0; indexed && row < height; ++row) look_up(pixels + row * row_bytes, width);
    for (std::size_t i = 0; i < with_alpha.size(); i += 4) {
      for (std::size_t c = 0; c < 3; ++c) *pixels++ = over_white(with_alpha[i + c], with_alpha[i + 3]);
    }
    return upright(picture, stored_orientation());
  }

  Tensor decode_indices() {
    read_header();
    const unsigned colours = png_get_color_type(png_, info_);
    const unsigned bits = png_get_bit_depth(png_, info_);
    if ((colours != PNG_COLOR_TYPE_PALETTE && colours != PNG_COLOR_TYPE_GRAY) || bits > 8) {
      throw DecodeError("expected a palette or grey of up to 8 bits a pixel, got " +
                        std::string(bits > 8 ? "16 bits" : "colours or transparency"));
    }
    const std::uint64_t height = png_get_image_height(png_, info_);
    const std::uint64_t width = png_get_image_width(png_, info_);
    Tensor indices = picture_of(height, width, from_, kMostUnpacked * 8 / bits, 1);
    int passes = 1;
    guarded([&] {
      png_set_packing(png_);  // a byte for each
      passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    read_rows(indices.mutable_data<std::uint8_t>(), height, width, passes);
    return indices;
  }

 private:
  void read_header() {
    guarded([&] {
      png_set_read_fn(png_, this, on_read);
      png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
      // Texts and colour profiles, which are packed, would be unpacked and kept: gigabytes from a small file.
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      const png_byte exif[] = {'e', 'X', 'I', 'f', '\0'};
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      // No chunk is longer than the file: libpng allocates what a length says before it reads (see on_warning).
      png_set_chunk_malloc_max(png_, std::max<std::size_t>(1, rest_.size()));
      png_read_info(png_, info_);
    });
  }

  void read_rows(std::uint8_t* rows, std::uint64_t height, std::uint64_t row_bytes, int passes) {
    for (int pass = 0; pass < passes; ++pass) {
      for (std::uint64_t row = 0; row < height; ++row) {
        guarded([&] { png_read_row(png_, rows + row * row_bytes, nullptr); });
      }
    }
    guarded([&] { png_read_end(png_, info_); });
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp reason) {
    auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
    std::strncpy(decoder->reason_.data(), reason, decoder->reason_.size() - 1);
    std::longjmp(decoder->jump_, 1);  // NOLINT(cert-err52-cpp): libpng wants no return
  }

  /// Of what does not touch the pixels: a colour profile that is none, a comment too long. Of a chunk beyond the limit
  /// libpng warns as well, and goes on to allocate it.
  static void on_warning(png_structp png, png_const_charp reason) {
    if (std::string_view(reason).ends_with("chunk data is too large")) {
      png_error(png, "the file is truncated: it says that a part is longer than all of it");
    }
  }

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

Tensor decode_png_indices(const Encoded& from) {
  const std::string_view text(reinterpret_cast<const char*>(from.bytes.data()), from.bytes.size());
  if (!text.starts_with("\x89PNG")) throw DecodeError("a label map must be a PNG file, whose values are exact");
  return Decoder(from).decode_indices();
}

std::vector<std::uint8_t> encode_png(const Tensor& image, std::span<const std::uint8_t> palette) {
  expect(image.rank() == 3 && image.numel() > 0 && image.dtype() == DType::u8 &&
             (image.size(2) == 1 || image.size(2) == 3),
         "encode_png", "u8 (H,W,1) or (H,W,3)", to_string(image.shape()));
  expect(palette.empty() || (image.size(2) == 1 && palette.size() % 3 == 0 && palette.size() <= 3 * 256), "encode_png",
         "a palette of up to 256 colours of three bytes for one channel", palette.size());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.height = static_cast<png_uint_32>(image.size(0));
  png.width = static_cast<png_uint_32>(image.size(1));
  png.format = image.size(2) == 3 ? PNG_FORMAT_RGB : palette.empty() ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB_COLORMAP;
  png.colormap_entries = static_cast<png_uint_32>(palette.size() / 3);
  std::vector<std::uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(png));
  png_alloc_size_t size = bytes.size();
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, image.raw(), 0, palette.data()) == 0) {
    throw std::runtime_error(std::string("a picture cannot be written as PNG: ") + png.message);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace striate
