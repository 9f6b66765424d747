// JPEG by libjpeg-turbo, with the settings that Pillow has.
#include <cstdio>
// jpeglib.h needs cstdio before it.
#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <csetjmp>
#include <string_view>
#include <vector>

#include "data/decoders.h"
#include "data/orientation.h"

namespace striate {

namespace {

/// At most 1 bit for each block of 8x8 pixels in each of a progressive file's scans, and headers.
constexpr std::uint64_t kPixelsPerByte = 1024;
/// Usual files have about ten. Each takes time for all pixels, in few bytes.
constexpr int kMostScans = 100;

struct Failure {
  jpeg_error_mgr manager;  // first: libjpeg knows a pointer to it
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> reason;
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->reason.data());
  std::longjmp(failure->jump, 1);
}

/// Level -1 is a warning; those that mean that pixels are missing or made up are errors here.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      on_error(info);
  }
}

void on_progress(j_common_ptr info) {
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number > kMostScans) {
    info->err->msg_code = JERR_BAD_PROGRESSION;
    on_error(info);
  }
}

class Decoder {
 public:
  Decoder() {
    info_.err = jpeg_std_error(&failure_.manager);
    failure_.manager.error_exit = on_error;
    failure_.manager.emit_message = on_message;
    guarded([&] { jpeg_create_decompress(&info_); });
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Tensor decode(const Encoded& from) {
    guarded([&] {
      jpeg_mem_src(&info_, from.bytes.data(), from.bytes.size());
      jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);  // Exif
      jpeg_read_header(&info_, TRUE);
    });
    const bool cmyk = info_.num_components == 4;
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    Tensor picture = picture_of(info_.image_height, info_.image_width, from, kPixelsPerByte);
    guarded([&] { jpeg_start_decompress(&info_); });
    const auto width = static_cast<std::size_t>(info_.image_width);
    std::vector<std::uint8_t> inks(cmyk ? 4 * width : 0);
    auto* out = picture.mutable_data<std::uint8_t>();
    for (; info_.output_scanline < info_.output_height; out += 3 * width) {
      std::uint8_t* row = cmyk ? inks.data() : out;
      guarded([&] { jpeg_read_scanlines(&info_, &row, 1); });
      if (cmyk) to_colours(inks, out);
    }
    const int orientation = stored_orientation();
    guarded([&] { jpeg_finish_decompress(&info_); });
    return upright(picture, orientation);
  }

 private:
  [[nodiscard]] int stored_orientation() const {
    constexpr std::string_view kExif("Exif\0\0", 6);
    for (const jpeg_marker_struct* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const std::span<const std::uint8_t> bytes(marker->data, marker->data_length);
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (text.starts_with(kExif)) return exif_orientation(bytes.subspan(kExif.size()));
    }
    return 1;
  }

  /// Calls functions of libjpeg, and throws what they fail with. `call` holds nothing that a jump out of it would leave
  /// behind.
  template <class Call>
  [[gnu::noinline]] void guarded(const Call& call) {
    if (setjmp(failure_.jump) != 0) throw DecodeError(failure_.reason.data());
    call();
  }

  /// Inks as Adobe stores them, inverted: 255 is none.
  static void to_colours(const std::vector<std::uint8_t>& inks, std::uint8_t* out) {
    for (std::size_t i = 0; i < inks.size(); i += 4) {
      for (std::size_t c = 0; c < 3; ++c) {
        const unsigned product = (255U - inks[i + c]) * inks[i + 3] + 128;
        *out++ = static_cast<std::uint8_t>(inks[i + 3] - (((product >> 8U) + product) >> 8U));
      }
    }
  }

  Failure failure_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
};

}  // namespace

Tensor decode_jpeg(const Encoded& from) { return Decoder().decode(from); }

}  // namespace striate
