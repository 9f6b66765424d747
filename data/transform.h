#pragma once
// What may be done to an image's pixels before the standard augmentation (data/augment.h): a list of small objects,
// each one image in and one out. LoaderOptions::transforms (data/loader.h) holds the list; a user's own kind is one
// class and register_transform().

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/named_options.h"
#include "core/random.h"
#include "data/augment.h"

namespace striate {

/// One kind of change with its options. Called from several threads at a time, for other images.
class Transform {
 public:
  Transform() = default;
  virtual ~Transform() = default;
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;

  /// The shape of what comes out; the images of a batch must agree in it. The channels have to stay. An input of height
  /// and width 0 stands for images of several sizes: then both are 0 in the result, too, unless all images come out
  /// alike. Throws std::invalid_argument for images that it cannot take.
  [[nodiscard]] virtual ImageShape output_shape(const ImageShape& input) const { return input; }

  /// Whether it is for images of this kind: pictures, unless it says otherwise.
  [[nodiscard]] virtual bool takes(const ImageShape& input) const { return !input.is_recording(); }

  /// image: bytes (height,width,channels) of `shape`, its true one -> out: bytes of output_shape(shape), all to be
  /// written. What is random is drawn from `random`, which depends on the seed, the epoch, the image and the place in
  /// the list of transforms alone.
  virtual void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
                     RandomSequence& random) const = 0;

  /// What apply() does to where things are, done to a label map (ImageSource::label_map, data/dataset.h) of one
  /// channel: no value is mixed with another, and what comes from outside of the image is 0. `random` gives the numbers
  /// that apply() drew. By default nothing moves.
  virtual void apply_to_labels(std::span<const std::uint8_t> labels, const ImageShape& shape,
                               std::span<std::uint8_t> out, RandomSequence& random) const;

  /// What a resumed run must have again: "random_invert:p=0.5" where make_transform() made it, else its class.
  [[nodiscard]] std::string description() const;

 private:
  friend std::shared_ptr<const Transform> make_transform(const std::string& name_and_options);
  mutable std::string made_from_;  // set once, where it is made
};

/// A change of recordings, which are floats of about -1 .. 1, (length,channels).
class SampleTransform : public Transform {
 public:
  [[nodiscard]] bool takes(const ImageShape& input) const final { return input.is_recording(); }
  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& random) const final;
  /// As apply(), of the samples.
  virtual void apply_to_samples(std::span<const float> samples, const ImageShape& shape, std::span<float> out,
                                RandomSequence& random) const = 0;
};

using Transforms = std::vector<std::shared_ptr<const Transform>>;
using TransformFactory = std::function<std::shared_ptr<const Transform>(const NamedOptions& options)>;

/// Makes a kind known by `name`. Throws std::invalid_argument for a name that is taken or cannot be one.
void register_transform(const std::string& name, TransformFactory factory);
/// For a kind that is constructed from its options.
template <class Kind>
void register_transform(const std::string& name) {
  register_transform(name, [](const NamedOptions& options) { return std::make_shared<Kind>(options); });
}

/// The built-in ones first. Those have torchvision's names, options and meaning:
///   resize:size=S                the short side becomes S, the long one int(S * long / short); height=H,width=W: both
///                                as given. Bilinear, antialiased, Pillow's bytes (data/resize.h)
///   center_crop:size=S           the middle; a smaller image is padded with black. Crops take height and width, too
///   random_crop:size=S,padding=0 anywhere in the image, which is padded with so much black on each side before
///   random_resized_crop:size=S,scale_min=0.08,scale_max=1,ratio_min=0.75,ratio_max=1.3333333333333333
///                                a box with such a share of the area and such a ratio of width to height, resized
///   random_horizontal_flip:p=0.5 mirrored left and right with probability p
///   random_vertical_flip:p=0.5   upside down with probability p
///   color_jitter:brightness=0,contrast=0,saturation=0,hue=0
///                                each by a factor from [max(0, 1 - strength), 1 + strength], hue by a part of the
///                                circle from [-hue, hue], in a random order (data/color.h)
///   random_grayscale:p=0.1       red, green and blue become luma() (data/image.h) with probability p; grey stays
///   random_invert:p=0.5          255 - value with probability p
///   rand_augment:num_ops=2,magnitude=9,num_magnitude_bins=31
///                                so many operations, drawn from 14 (data/auto_augment.h): RandAugment
///   trivial_augment_wide:num_magnitude_bins=31
///                                one operation with a magnitude drawn from a wider range: TrivialAugmentWide
/// For recordings, which the others do not take, in the words of torchaudio and audiomentations:
///   pad_or_trim:length=L         L samples: the middle of longer ones; silence on both sides of shorter ones
///   random_shift:max=0.1         earlier or later by up to so many seconds; what leaves is lost, silence comes in
///   random_gain:min_db=-6,max_db=6
///                                louder or softer by so many decibels, evenly drawn. Nothing is clipped
/// Random erasing acts on normalised values: AugmentOptions (data/augment.h).
std::vector<std::string> transform_names();

/// "color_jitter:brightness=0.4". Throws std::invalid_argument for unknown names (with the nearest) and for options
/// that are unknown or out of range.
std::shared_ptr<const Transform> make_transform(const std::string& name_and_options);

/// make_transform of each, and the inverse.
Transforms make_transforms(const std::vector<std::string>& names_and_options);
std::vector<std::string> descriptions(const Transforms& transforms);

/// The shape of what comes out of all of them; height and width 0 where it depends on an image's own, with an input of
/// height and width 0. Throws std::invalid_argument where one of them cannot take what the one before it gives (or
/// takes pictures, and these are recordings, or the reverse), or changes the channels.
ImageShape output_shape(const Transforms& transforms, const ImageShape& input);

/// image (bytes of shape.dtype()) -> what comes out of all of them, one after the other. `place` is what the random
/// numbers depend on.
std::vector<std::uint8_t> apply_transforms(const Transforms& transforms, std::span<const std::uint8_t> image,
                                           ImageShape shape, const DrawPlace& place);
/// The same of its label map, which moves as the image does.
std::vector<std::uint8_t> apply_to_labels(const Transforms& transforms, std::span<const std::uint8_t> labels,
                                          ImageShape shape, const DrawPlace& place);

}  // namespace striate
