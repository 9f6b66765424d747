#pragma once
// Images in folders: train/<class>/*.png, test/<class>/*.jpg, ..., the format image-folder. The registry of formats
// (data/dataset.cpp) lists it; data/image.h decodes.

#include "data/dataset.h"

namespace striate {

/// The classes are the subfolders of train/, or of test/ where there is no train/; classes and files are taken in the
/// order of their names' bytes, and files without an image's extension are ignored. The option channels=1
/// reads grey images instead of colour. Normalised by default_normalization(). load throws FileError where the split or
/// its images are missing, for a class of test/ that is not in train/, for an image that cannot be decoded, and for one
/// of another size than the first.
DatasetFormat image_folder_format();

}  // namespace striate
