// Blocks of frames on their way through the gate and up of a fast weight, and back, in
// float32; see `fast_branch.cpp`.

#pragma once

#include <algorithm>
#include <cstdint>

#include "channels.h"
#include "products.h"

namespace {

// frames of a block, and of the blocks that share weights brought into a cache
constexpr int64_t BLOCK = 32, SEGMENT = 1024;

// Arguments of all calls; `stride` lies between frames of the projection.
struct Shape {
  int64_t batch, frames, stride, heads, size, hidden;
  int64_t segments() const { return (frames + SEGMENT - 1) / SEGMENT; }
  // of rows that hold a head, its hidden units, and what gate and up make of it
  int64_t width() const { return in_panels(size) * LANES; }
  int64_t units() const { return in_panels(hidden) * LANES; }
  int64_t both() const { return 2 * units(); }
};

// Frames of one head in a segment; those of padding neither learn nor count.
struct Run {
  const Shape &shape;
  int64_t item, head, segment;
  const uint8_t *is_padding;
  Run(const Shape &shape, int64_t pair, int64_t segment, const uint8_t *is_padding)
      : shape(shape),
        item(pair / shape.heads),
        head(pair % shape.heads),
        segment(segment),
        is_padding(is_padding) {}
  int64_t start() const { return segment * SEGMENT; }
  int64_t end() const { return std::min(shape.frames, start() + SEGMENT); }
  int64_t row(int64_t t) const { return item * shape.frames + t; }
  // in (batch, frames, heads)
  int64_t at(int64_t t) const { return row(t) * shape.heads + head; }
  int64_t channel() const { return head * shape.size; }
  int64_t pair() const { return item * shape.heads + head; }
  // in (batch, heads, segments), and of channels in (batch, segments, heads, size)
  int64_t part() const { return pair() * shape.segments() + segment; }
  int64_t affine() const {
    return (item * shape.segments() + segment) * shape.heads * shape.size + channel();
  }
  bool is_valid(int64_t t) const { return !is_padding || !is_padding[row(t)]; }
};

// Queries, keys or values as the projection gives them, and what activates them.
struct Raw {
  const float *x, *scale, *offset;
};

// A block of frames of one head: activated, in rows that end with zeros.
struct Block {
  int64_t start, count;
  Floats x, inverse;
  // so many rows are computed, in whole tiles
  int64_t rows() const { return (count + ROWS - 1) / ROWS * ROWS; }

  void read(const Run &run, Raw raw, int64_t from, bool unit) {
    const int64_t size = run.shape.size, width = run.shape.width();
    start = from;
    count = std::min(BLOCK, run.end() - from);
    x.assign(BLOCK * width, 0.0f);
    inverse.resize(BLOCK);
    for (int64_t r = 0; r < count; ++r) {
      if (!run.is_valid(start + r)) continue;
      float *y = x.data() + r * width;
      const float *in = raw.x + run.row(start + r) * run.shape.stride + run.channel();
      for (int64_t n = 0; n < size; n += LINE)
        __builtin_prefetch(in + AHEAD * run.shape.stride + n);
      activate(in, raw.scale + run.channel(), raw.offset + run.channel(), size, y);
      if (unit) inverse[r] = make_unit(y, size);
    }
  }
};

// Gate and up of one head, and what they make of a block.
struct Units {
  Floats columns, rows, both, hidden;

  void pack(const Run &run, const float *gate, const float *up, bool with_rows) {
    const Shape &shape = run.shape;
    const int64_t skipped = run.pair() * shape.hidden * shape.size;
    columns.clear();
    rows.assign(shape.both() * shape.width(), 0.0f);
    Floats packed;
    int64_t first = 0;
    for (const float *matrix : {gate, up}) {
      const Rows from{matrix + skipped, shape.size};
      pack_columns(from, 0, shape.hidden, shape.size, packed);
      columns.insert(columns.end(), packed.begin(), packed.end());
      if (with_rows) {
        pack_rows(from, 0, shape.hidden, shape.size, 1.0f, packed);
        std::copy(packed.begin(), packed.end(), rows.begin() + first);
      }
      first += shape.units() * shape.width();
    }
  }

  void evaluate(const Shape &shape, const Block &block) {
    const int64_t units = shape.units();
    both.resize(BLOCK * shape.both());
    hidden.resize(BLOCK * units);
    multiply({block.x.data(), shape.width(), 1},
             {columns.data(), LANES, LANES * shape.size}, block.rows(),
             shape.both() / LANES, shape.size, false, both.data(), shape.both());
    for (int64_t r = 0; r < block.rows(); ++r) {
      const float *a = both.data() + r * shape.both();
      open(a, a + units, units, hidden.data() + r * units);
    }
  }
};

// Gradients of gate and up, summed over the blocks of a segment, and of frames.
struct Slopes {
  Floats hidden, units, x, scale, offset;

  void begin(const Shape &shape) {
    hidden.resize(BLOCK * shape.units());
    x.resize(BLOCK * shape.width());
    units.assign(shape.both() * shape.width(), 0.0f);
    scale.assign(shape.size, 0.0f);
    offset.assign(shape.size, 0.0f);
  }

  // From those of `hidden` go back to `x`, in the place of what gate and up had made.
  void pull(const Shape &shape, Units &from, const Block &block) {
    const int64_t size = shape.both(), width = shape.width();
    for (int64_t r = 0; r < block.rows(); ++r) {
      float *a = from.both.data() + r * size, *b = a + shape.units();
      reopen(hidden.data() + r * shape.units(), a, b, shape.units(), a, b);
    }
    multiply({from.both.data(), 1, size}, {block.x.data(), width}, size, width / LANES,
             block.rows(), true, units.data(), width);
    multiply({from.both.data(), size, 1}, {from.rows.data(), width}, block.rows(),
             width / LANES, size, false, x.data(), width);
  }

  // From `x` to what the projection gave.
  void write(const Run &run, Raw raw, const Block &block, bool unit, float *grad,
             int64_t stride) {
    const int64_t size = run.shape.size, width = run.shape.width();
    for (int64_t r = 0; r < block.count; ++r) {
      const int64_t row = run.row(block.start + r);
      float *out = grad + row * stride + run.channel();
      if (!run.is_valid(block.start + r)) {
        std::fill_n(out, size, 0.0f);
        continue;
      }
      std::copy_n(x.data() + r * width, size, out);
      if (unit)
        pull_from_unit(block.x.data() + r * width, block.inverse[r], size, out);
      deactivate(raw.x + row * run.shape.stride + run.channel(),
                 raw.scale + run.channel(), raw.offset + run.channel(), size, out,
                 scale.data(), offset.data());
    }
  }

  // The sums of a segment: gate and up (batch, heads, segments, hidden, size), scale
  // and offset (batch, segments, heads, size).
  void finish(const Run &run, float *to_gate, float *to_up, float *to_scale,
              float *to_offset) const {
    const Shape &shape = run.shape;
    for (int64_t n = 0; n < shape.hidden; ++n) {
      const float *from = units.data() + n * shape.width();
      const int64_t to = (run.part() * shape.hidden + n) * shape.size;
      std::copy_n(from, shape.size, to_gate + to);
      std::copy_n(from + shape.units() * shape.width(), shape.size, to_up + to);
    }
    std::copy(scale.begin(), scale.end(), to_scale + run.affine());
    std::copy(offset.begin(), offset.end(), to_offset + run.affine());
  }
};

// Rows of `units` -> (batch, heads, segments, size, hidden)
void write_down(const Run &run, const Floats &sum, float *to) {
  const Shape &shape = run.shape;
  for (int64_t n = 0; n < shape.size; ++n)
    std::copy_n(sum.data() + n * shape.units(), shape.hidden,
                to + (run.part() * shape.size + n) * shape.hidden);
}

// Multiply frames by their rates.
void weigh(const Run &run, const float *rate, Block &block) {
  const int64_t width = run.shape.width();
  for (int64_t r = 0; r < block.count; ++r) {
    // that of padding may be anything
    if (!run.is_valid(block.start + r)) continue;
    const float factor = rate[run.at(block.start + r)];
    for (int64_t n = 0; n < width; ++n) block.x[r * width + n] *= factor;
  }
}

// down (size, hidden) of one head
Rows rows_of(const Run &run, const float *down) {
  const Shape &shape = run.shape;
  return {down + run.pair() * shape.size * shape.hidden, shape.hidden};
}

}  // namespace
