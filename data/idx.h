#pragma once
// MNIST's files (http://yann.lecun.com/exdb/mnist/), the formats mnist and fashion-mnist: numbers in a big-endian
// header and then bytes, "IDX". As published: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte
// and t10k-labels-idx1-ubyte, also with "." before idx, and as .gz. The registry of formats (data/dataset.cpp) lists
// them.

#include "data/dataset.h"

namespace striate {

/// In the folder, in raw/, or in MNIST/raw/ as torchvision has it. load throws FileError for files that are missing,
/// truncated, damaged or of another format, for counts of images and labels that differ, and for a label above 9.
DatasetFormat mnist_format();

/// The same files of Fashion-MNIST (or FashionMNIST/raw/): it is recognised by the name of their folder, which must say
/// "fashion", and takes any folder when it is asked for by name.
DatasetFormat fashion_mnist_format();

}  // namespace striate
