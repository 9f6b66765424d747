#include "apps/report/net_sections.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "apps/cli/label_pictures.h"
#include "apps/report/html.h"
#include "apps/report/net_pictures.h"
#include "apps/report/svg.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/printable.h"
#include "data/loader.h"
#include "data/subset.h"
#include "layers/softmax.h"
#include "models/feature_maps.h"
#include "models/receptive_field.h"
#include "models/saliency.h"
#include "models/summary.h"

namespace striate::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr std::int64_t kMostColumns = 20;  // classes up to which the confusion matrix is a table
constexpr std::int64_t kMistakes = 16;
constexpr std::int64_t kLabelMaps = 4;
constexpr std::int64_t kMaps = 32;         // of a stage
constexpr std::int64_t kFieldImages = 32;  // whose gradients are added up: of large ones fewer, by their pixels
constexpr std::int64_t kFieldPixels = std::int64_t{1} << 17U;
constexpr std::int64_t kSide = 96;   // of a mistake's picture, at most
constexpr double kBrightest = 0.99;  // of saliency: few pixels would leave all others dark

std::string png_of(const Tensor& picture, const std::string& words, const std::string& kind = "") {
  const std::vector<std::uint8_t> png = encode_png(picture);
  return html_picture("image/png", {reinterpret_cast<const char*>(png.data()), png.size()}, words, kind);
}

// A picture whose caption says all that there is to say.
std::string figure(const Captioned& picture, const std::string& kind = "") {
  std::string caption;
  for (const std::string& line : picture.caption) caption += (caption.empty() ? "" : "; ") + line;
  return html_figure(png_of(picture.picture, caption, kind), caption);
}

const std::string& class_name(const Dataset& images, std::int64_t label) {
  return images.class_names[static_cast<std::size_t>(label)];
}

// "cat/17.jpg" of a file, which lies anywhere; "image 17".
std::string short_name(const Dataset& images, std::int64_t i) {
  const std::filesystem::path name = image_name(images, i);
  return (name.parent_path().filename() / name.filename()).string();
}

bool are_pictures(const ImageShape& shape) {
  return !shape.is_recording() && (shape.channels == 1 || shape.channels == 3);
}

// Image i as the model's card brings it to its size, u8 (H,W,C).
Tensor pixels_of(const Dataset& images, std::int64_t i) {
  const ImageShape shape = images.image_shape();
  return transformed_images(images, {i}).viewed_as({shape.height, shape.width, shape.channels});
}

// (N,H,W,C) as the model takes them, in the dtype of its parameters, so that gradients are exact.
Tensor inputs_of(const LoadedModel& net, const Dataset& images) {
  Loader loader(images,
                {.batch_size = images.size(), .shuffle = false, .dtype = net.precision.parameters, .workers = 0});
  loader.start_epoch(0);
  Batch batch;
  loader.next(batch);
  return batch.images;
}

std::string percent(double part) { return fmt::format("{:.2f}", 100 * part); }

std::string class_table(const Dataset& images, const ConfusionMatrix& matrix) {
  const bool pixels = images.is_segmentation();
  Rows rows = {{"class", pixels ? "pixels" : "images", "precision %", "recall %"}};
  if (pixels) rows[0].emplace_back("IoU %");
  for (std::int64_t label = 0; label < matrix.classes; ++label) {
    rows.push_back({class_name(images, label), std::to_string(matrix.images_of(label)),
                    percent(matrix.precision(label)), percent(matrix.recall(label))});
    const auto iou = matrix.iou(label);
    if (pixels) rows.back().push_back(iou ? percent(*iou) : "");
  }
  return html_table(rows);
}

// A row for a class, its cells shaded by their share of the row: which the numbers say, too.
std::string confusion_table(const Dataset& images, const ConfusionMatrix& matrix) {
  const auto name = [&](std::int64_t label) { return escaped(printable(class_name(images, label), 40)); };
  std::string html =
      "<div class=\"scroll\"><table><caption>A row for a class, a column for what its images were taken for</caption>"
      "<tr><th></th>";
  for (std::int64_t c = 0; c < matrix.classes; ++c) html += "<th scope=\"col\" class=\"n\">" + name(c) + "</th>";
  for (std::int64_t label = 0; label < matrix.classes; ++label) {
    html += "</tr>\n<tr><th scope=\"row\">" + name(label) + "</th>";
    const double all = static_cast<double>(std::max<std::int64_t>(1, matrix.images_of(label)));
    for (std::int64_t c = 0; c < matrix.classes; ++c) {
      html += fmt::format("<td class=\"n\" style=\"background:rgba({},{:.2f})\">{}{}{}</td>",
                          c == label ? "46,160,67" : "219,109,40", 0.6 * static_cast<double>(matrix.at(label, c)) / all,
                          c == label ? "<b>" : "", matrix.at(label, c), c == label ? "</b>" : "");
    }
  }
  return html + "</tr></table></div>\n";
}

// Of many classes the pairs that are confused most.
std::string confused_pairs(const Dataset& images, const ConfusionMatrix& matrix) {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::int64_t i = 0; i < matrix.classes * matrix.classes; ++i) {
    const std::int64_t label = i / matrix.classes, predicted = i % matrix.classes;
    if (label != predicted && matrix.at(label, predicted) > 0) pairs.emplace_back(label, predicted);
  }
  std::stable_sort(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) {
    return matrix.at(a.first, a.second) > matrix.at(b.first, b.second);
  });
  pairs.resize(std::min(pairs.size(), static_cast<std::size_t>(kMostColumns)));
  Rows rows = {{"class", "taken for", "times"}};
  for (const auto& [label, predicted] : pairs) {
    rows.push_back(
        {class_name(images, label), class_name(images, predicted), std::to_string(matrix.at(label, predicted))});
  }
  return html_table(rows, "The pairs that are confused most");
}

std::string mistakes_html(const Dataset& images, const std::vector<Prediction>& predictions) {
  std::string tiles;
  Rows rows = {{"recording", "class", "taken for", "probability %"}};
  for (const std::size_t at : most_confident_mistakes(predictions, kMistakes)) {
    const Prediction& one = predictions[at];
    const auto i = static_cast<std::int64_t>(at);
    const std::string& label = class_name(images, one.label);
    const std::string& predicted = class_name(images, one.predicted);
    const std::string probability = fmt::format("{:.1f}", 100 * one.probability);
    rows.push_back({short_name(images, i), label, predicted, probability});
    if (!are_pictures(images.image_shape())) continue;
    const std::string words = fmt::format("{}, taken for {}, {}%: {}", label, predicted, probability, rows.back()[0]);
    const Tensor pixels = pixels_of(images, i);
    const bool large = std::max(pixels.size(0), pixels.size(1)) > kSide;
    tiles += html_figure(png_of(large ? sized(pixels, kSide) : pixels, words, "pixels"), words);
  }
  if (rows.size() == 1) return html_text("There is none.");
  return tiles.empty() ? html_table(rows) : "<div class=\"tiles\">" + tiles + "</div>\n";
}

// Empty where the loss is not finite.
std::string measured_html(const LoadedModel& net, const Dataset& images) {
  std::vector<Prediction> predictions;
  ConfusionMatrix matrix;
  const bool pixels = images.is_segmentation();
  const auto found = evaluate(*net.model, images,
                              {.activations = net.precision.activations,
                               .batch_size = pixels ? 8 : 128,
                               .predictions = &predictions,
                               .matrix = &matrix});
  if (!std::isfinite(found->loss)) return "";
  std::string text =
      fmt::format("{} images: loss {:.4f}, accuracy {}%", images.size(), found->loss, percent(found->accuracy));
  if (pixels) {
    const std::string png = comparison_png(net, images, kLabelMaps);
    return html_section("Confusion",
                        html_text(text + fmt::format(" of pixels, mean IoU {}%.", percent(found->score()))) +
                            class_table(images, matrix)) +
           html_section("Label maps", html_figure(html_picture("image/png", png, "Images, their labels, the model's"),
                                                  "Images, their labels, and the model's"));
  }
  matrix = confusion_matrix(predictions, images.classes());
  return html_section("Confusion", html_text(text + ".") +
                                       (matrix.classes <= kMostColumns ? confusion_table(images, matrix)
                                                                       : confused_pairs(images, matrix)) +
                                       class_table(images, matrix)) +
         html_section("Most confident mistakes", mistakes_html(images, predictions));
}

std::string fields_html(const LoadedModel& net, const Dataset& images) {
  const ImageShape shape = images.image_shape();
  const std::int64_t enough = std::clamp<std::int64_t>(kFieldPixels / (shape.height * shape.width), 2, kFieldImages);
  const Dataset some = sample_images(images, std::min(enough, images.size()));
  const Tensor picture = pixels_of(some, 0);
  Rows rows = {{"layer", "path", "output", "jump", "by formula", "measured", "effective"}};
  std::string tiles;
  for (const ReceptiveField& field : receptive_fields(*net.model, inputs_of(net, some))) {
    rows.push_back({field.name, field.path, fmt::format("{}x{}", field.height, field.width),
                    fmt::format("{:g}", field.jump), std::to_string(field.receptive_field),
                    std::to_string(field.measure.measured), std::to_string(field.measure.effective)});
    tiles += figure(field_picture(field, picture));
  }
  return html_section("Receptive fields",
                      html_text(fmt::format(
                          "Sides in pixels of what the output in the middle of a layer sees: by the formula (dashes), "
                          "where the gradient over {} images is not zero, and where 95% of it lies (the line).",
                          some.size())) +
                          html_table(rows) + "<div class=\"tiles\">" + tiles + "</div>\n");
}

// Of the classes, for one image; where pixels have classes the mean over all of them.
std::vector<double> mean_probabilities(const LoadedModel& net, const Tensor& x) {
  const NoGradGuard no_grad;
  const Tensor all = softmax((*net.model)(x));
  const std::vector<double> values = all.to_vector();
  std::vector<double> means(static_cast<std::size_t>(all.size(-1)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    means[i % means.size()] += values[i] * static_cast<double>(means.size()) / static_cast<double>(values.size());
  }
  return means;
}

// What the net makes of one picture.
std::string looked_into(const LoadedModel& net, const Dataset& one) {
  const Tensor x = inputs_of(net, one);
  const Tensor picture = pixels_of(one, 0);
  const std::vector<double> chances = mean_probabilities(net, x);
  const auto best = std::max_element(chances.begin(), chances.end());
  const std::int64_t predicted = best - chances.begin();
  const std::string& name = class_name(one, predicted);
  const std::string truth = one.is_segmentation() ? "most of it" : class_name(one, one.labels.data<std::int64_t>()[0]);
  std::string html =
      html_heading(fmt::format("{}: {}, taken for {}, {:.1f}%", short_name(one, 0), truth, name, 100 * *best));
  const auto first = [](const Tensor& maps) { return maps.viewed_as({maps.size(1), maps.size(2)}); };
  const std::vector<FeatureMaps> stages = stage_maps(*net.model, x);
  std::string heats;
  if (!stages.empty()) {
    const std::string path = stages.back().path;
    heats += figure({heat_panels(picture, first(grad_cam(*net.model, x, {predicted}, path))),
                     {fmt::format("The picture, Grad-CAM of {} at {}, and both", name, path)}});
  }
  heats += figure({heat_panels(picture, first(saliency(*net.model, x, {predicted})), kBrightest),
                   {fmt::format("The picture, the input gradient of {}, and both", name)}});
  html += "<div class=\"grid\">" + heats + "</div>\n";
  for (const FeatureMaps& maps : stages)
    html += "<div class=\"scroll\">" + figure(maps_picture(maps, kMaps), "whole") + "</div>\n";
  return html;
}

}  // namespace

std::string net_html(const LoadedModel& net) {
  const ModelCard& card = net.card;
  const Summary summary = summarize(*net.model, {card.height, card.width, card.channels});
  Rows rows = {{"layer", "path", "output", "jump", "RF", "parameters", "multiply-adds"}};
  for (const SummaryRow& row : summary.rows) {
    rows.push_back({row.name, row.path, fmt::format("{}x{}x{}", row.height, row.width, row.channels),
                    fmt::format("{:g}", row.jump), std::to_string(row.receptive_field), std::to_string(row.parameters),
                    fmt::format("{:.0f}", row.multiply_adds)});
  }
  rows.push_back(
      {"all", "", "", "", "", std::to_string(summary.parameters), fmt::format("{:.0f}", summary.multiply_adds)});
  const bool filters = first_filters(*net.model).defined();
  return html_section("Model " + card.model, html_table(rows)) +
         html_section("Filters of the first layer", filters ? figure(filters_picture(*net.model))
                                                            : html_text("Left out: the model has no 2-d convolution."));
}

std::string images_html(const LoadedModel& net, const Dataset& images, std::int64_t pictures) {
  const EvalGuard eval(*net.model);
  std::string html = measured_html(net, images);
  if (html.empty()) {
    return html_section("Left out",
                        html_text("What needs images: the loss is not finite, training must have diverged."));
  }
  if (!are_pictures(images.image_shape())) {
    return html + html_section("Feature maps", html_text("Left out: these are no pictures of one or three channels."));
  }
  html += fields_html(net, images);
  if (pictures == 0) return html;
  const Dataset some = sample_images(images, std::min(pictures, images.size()));
  std::string parts;
  for (std::int64_t i = 0; i < some.size(); ++i) {
    parts += looked_into(net, images_at(some, {i}));
  }
  return html + html_section("What the net makes of some images", parts);
}

}  // namespace striate::cli
