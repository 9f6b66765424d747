#include "data/image.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <climits>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "core/check.h"
#include "core/file.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_PSD
#define STBI_NO_PIC
#define STBI_MAX_DIMENSIONS 16384
#include <stb/stb_image.h>

#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb/stb_image_resize.h>

namespace striate {

bool is_image_file(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array known = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tga", ".ppm"};
  return std::find(known.begin(), known.end(), extension) != known.end();
}

Tensor read_image(const std::filesystem::path& file, std::int64_t channels) {
  expect(channels == 1 || channels == 3, "read_image", "1 or 3 channels", channels);
  const std::vector<std::uint8_t> bytes = read_bytes(file);
  if (bytes.empty()) throw FileError(file.string(), "expected an image, the file is empty");
  if (bytes.size() > INT_MAX) throw FileError(file.string(), "expected an image, the file is over 2 GiB");
  int width = 0;
  int height = 0;
  int stored_channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &stored_channels, 3),
      stbi_image_free);
  if (pixels == nullptr) {
    throw FileError(file.string(), std::string("cannot be decoded as an image: ") + stbi_failure_reason());
  }
  Tensor image = Tensor::empty({height, width, channels}, DType::u8);
  if (channels == 3) {
    std::memcpy(image.mutable_raw(), pixels.get(), image.bytes());
    return image;
  }
  const stbi_uc* pixel = pixels.get();
  auto* grey = image.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < image.numel(); ++i, pixel += 3) grey[i] = luma(pixel[0], pixel[1], pixel[2]);
  return image;
}

Tensor resized(const Tensor& image, std::int64_t height, std::int64_t width) {
  if (image.rank() != 3 || image.numel() == 0 || height < 1 || width < 1) {
    shape_error("resized", "an image must be (H,W,C) and the new size positive: image " + to_string(image.shape()) +
                               ", size " + std::to_string(height) + "x" + std::to_string(width));
  }
  if (image.size(0) == height && image.size(1) == width) return image;
  Tensor result = Tensor::empty({height, width, image.size(2)}, DType::u8);
  const int done =
      stbir_resize_uint8(image.data<std::uint8_t>(), static_cast<int>(image.size(1)), static_cast<int>(image.size(0)),
                         0, result.mutable_data<std::uint8_t>(), static_cast<int>(width), static_cast<int>(height), 0,
                         static_cast<int>(image.size(2)));
  if (done == 0) throw std::bad_alloc();
  return result;
}

}  // namespace striate
