// Products of matrices that stay in a cache, summed in registers.

#pragma once

#include <cstdint>

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
