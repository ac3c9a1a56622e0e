// Products of matrices that stay in a cache, summed in registers.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#if defined(__AVX512F__)
constexpr int64_t LANES = 16, ROWS = 8;
#elif defined(__AVX2__)
constexpr int64_t LANES = 8, ROWS = 4;
#else
constexpr int64_t LANES = 4, ROWS = 4;
#endif

typedef float Lanes
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

inline int64_t in_panels(int64_t size) { return (size + LANES - 1) / LANES; }

// A matrix whose elements stand `row` and `column` apart.
struct Left {
  const float *data;
  int64_t row, column;
};

// A matrix in panels of LANES columns, which stand together: rows are `row` apart, and
// panels `panel`. Of rows that stand whole `panel` is LANES.
struct Right {
  const float *data;
  int64_t row, panel = LANES;
};

template <int R, int P>
inline void multiply_tile(Left a, Right b, int64_t depth, bool add, float *c,
                          int64_t row) {
  Lanes sum[R][P];
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p)
      sum[r][p] = add ? *(const Lanes *)(c + r * row + p * LANES) : Lanes{};
  for (int64_t k = 0; k < depth; ++k) {
    Lanes from[P];
    for (int p = 0; p < P; ++p)
      from[p] = *(const Lanes *)(b.data + k * b.row + p * b.panel);
    for (int r = 0; r < R; ++r) {
      const float factor = a.data[r * a.row + k * a.column];
      for (int p = 0; p < P; ++p) sum[r][p] += factor * from[p];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) *(Lanes *)(c + r * row + p * LANES) = sum[r][p];
}

template <int P>
inline void multiply_panels(Left a, Right b, int64_t rows, int64_t depth, bool add,
                            float *c, int64_t row) {
  int64_t r = 0;
  for (; r + ROWS <= rows; r += ROWS)
    multiply_tile<ROWS, P>({a.data + r * a.row, a.row, a.column}, b, depth, add,
                           c + r * row, row);
  for (; r < rows; ++r)
    multiply_tile<1, P>({a.data + r * a.row, a.row, a.column}, b, depth, add,
                        c + r * row, row);
}

// c (rows, panels * LANES), rows `row` apart, becomes a (rows, depth) times
// b (depth, panels * LANES), or that is added to it.
inline void multiply(Left a, Right b, int64_t rows, int64_t panels, int64_t depth,
                     bool add, float *c, int64_t row) {
  int64_t p = 0;
  for (; p + 2 <= panels; p += 2)
    multiply_panels<2>(a, {b.data + p * b.panel, b.row, b.panel}, rows, depth, add,
                       c + p * LANES, row);
  if (p < panels)
    multiply_panels<1>(a, {b.data + p * b.panel, b.row, b.panel}, rows, depth, add,
                       c + p * LANES, row);
}

using Floats = std::vector<float>;

// rows that are fetched before they are needed, and floats that are fetched together
constexpr int64_t AHEAD = 8, LINE = 16;

// Rows that stand `row` apart, such as the frames of one head.
struct Rows {
  const float *data;
  int64_t row;
};

// `count` rows of `size` -> (count, panels * LANES), zero behind
inline void pack_rows(Rows x, int64_t from, int64_t count, int64_t size, float scale,
                      Floats &to) {
  const int64_t width = in_panels(size) * LANES;
  to.resize(count * width);
  for (int64_t t = 0; t < count; ++t) {
    const float *in = x.data + (from + t) * x.row;
    float *out = to.data() + t * width;
    __builtin_prefetch(in + AHEAD * x.row);
#pragma omp simd
    for (int64_t n = 0; n < size; ++n) out[n] = scale * in[n];
    std::fill(out + size, out + width, 0.0f);
  }
}

// `count` rows of `size` -> panels of LANES rows, each (size, LANES); the last row stands
// in the place of those behind it
inline void pack_columns(Rows x, int64_t from, int64_t count, int64_t size, Floats &to) {
  to.resize(in_panels(count) * LANES * size);
  float *out = to.data();
  for (int64_t t = 0; t < count; t += LANES) {
    const float *in[LANES];
    for (int64_t lane = 0; lane < LANES; ++lane)
      in[lane] = x.data + (from + std::min(t + lane, count - 1)) * x.row;
    for (int64_t n = 0; n < size; ++n, out += LANES)
      for (int64_t lane = 0; lane < LANES; ++lane) out[lane] = in[lane][n];
  }
}
