// What `fast_branch.py` computes, and its gradients, in float32 on a CPU: blocks of
// frames go from a projection through the fast weights while they stay in a cache.

#include <algorithm>
#include <cstdint>

#include "fast_units.h"

// k and v have frames `stride` apart; scale and offset (2, heads, size) activate both;
// rate (batch, frames, heads); gate and up (batch, heads, hidden, size). direction
// (batch, heads, segments, size, hidden) is for the caller to add.
extern "C" void learn_forward(const float *k, const float *v, const float *scale,
                              const float *offset, const float *rate,
                              const float *gate, const float *up,
                              const uint8_t *is_padding, float *direction,
                              int64_t batch, int64_t frames, int64_t stride,
                              int64_t heads, int64_t size, int64_t hidden,
                              int64_t threads) {
  const Shape shape{batch, frames, stride, heads, size, hidden};
  const Raw keys{k, scale, offset};
  const Raw values{v, scale + heads * size, offset + heads * size};
  const int64_t units = shape.units(), segments = shape.segments();
#pragma omp parallel num_threads(threads)
  {
    Block key, value;
    Units made;
    Floats sum;
#pragma omp for collapse(2)
    for (int64_t pair = 0; pair < batch * heads; ++pair)
      for (int64_t segment = 0; segment < segments; ++segment) {
        const Run run(shape, pair, segment, is_padding);
        made.pack(run, gate, up, false);
        sum.assign(size * units, 0.0f);
        for (int64_t start = run.start(); start < run.end(); start += BLOCK) {
          key.read(run, keys, start, true);
          value.read(run, values, start, false);
          weigh(run, rate, value);
          made.evaluate(shape, key);
          multiply({value.x.data(), 1, shape.width()}, {made.hidden.data(), units},
                   size, units / LANES, key.rows(), true, sum.data(), units);
        }
        write_down(run, sum, direction);
      }
  }
}

// grad (batch, heads, size, hidden). Gradients of k and v have frames `grad_stride`
// apart; those of gate, up (batch, heads, segments, hidden, size), scale and offset of
// the keys (batch, segments, heads, size) are for the caller to add.
extern "C" void learn_backward(
    const float *grad, const float *k, const float *v, const float *scale,
    const float *offset, const float *rate, const float *gate, const float *up,
    const uint8_t *is_padding, float *grad_k, float *grad_v, float *grad_rate,
    float *grad_gate, float *grad_up, float *grad_scale, float *grad_offset,
    int64_t batch, int64_t frames, int64_t stride, int64_t heads, int64_t size,
    int64_t hidden, int64_t grad_stride, int64_t threads) {
  const Shape shape{batch, frames, stride, heads, size, hidden};
  const Raw keys{k, scale, offset};
  const Raw values{v, scale + heads * size, offset + heads * size};
  const int64_t units = shape.units(), width = shape.width();
  const int64_t segments = shape.segments();
#pragma omp parallel num_threads(threads)
  {
    Block key, value;
    Units made;
    Slopes slopes, of_values;
    Floats rows, columns;
#pragma omp for collapse(2)
    for (int64_t pair = 0; pair < batch * heads; ++pair)
      for (int64_t segment = 0; segment < segments; ++segment) {
        const Run run(shape, pair, segment, is_padding);
        made.pack(run, gate, up, true);
        pack_rows(rows_of(run, grad), 0, size, hidden, 1.0f, rows);
        pack_columns(rows_of(run, grad), 0, size, hidden, columns);
        slopes.begin(shape);
        of_values.begin(shape);
        for (int64_t start = run.start(); start < run.end(); start += BLOCK) {
          key.read(run, keys, start, true);
          value.read(run, values, start, false);
          made.evaluate(shape, key);
          Floats &to_value = of_values.x;
          multiply({made.hidden.data(), units, 1},
                   {columns.data(), LANES, LANES * hidden}, key.rows(), width / LANES,
                   hidden, false, to_value.data(), width);
          for (int64_t r = 0; r < key.count; ++r) {
            const bool is_valid = run.is_valid(start + r);
            const int64_t at = run.at(start + r);
            float *to = to_value.data() + r * width;
            grad_rate[at] =
                is_valid ? product(to, value.x.data() + r * width, size) : 0.0f;
            for (int64_t n = 0; is_valid && n < size; ++n) to[n] *= rate[at];
          }
          of_values.write(run, values, value, false, grad_v, grad_stride);
          weigh(run, rate, value);
          multiply({value.x.data(), width, 1}, {rows.data(), units}, key.rows(),
                   units / LANES, size, false, slopes.hidden.data(), units);
          slopes.pull(shape, made, key);
          slopes.write(run, keys, key, true, grad_k, grad_stride);
        }
        slopes.finish(run, grad_gate, grad_up, grad_scale, grad_offset);
      }
  }
}

// As above, with q, and down (batch, heads, size, hidden). norm (size); opening (batch,
// frames, heads). y (batch, frames, heads * size), zero at padding.
extern "C" void answer_forward(const float *q, const float *scale, const float *offset,
                               const float *gate, const float *up, const float *down,
                               const float *norm, const float *opening,
                               const uint8_t *is_padding, float *y, int64_t batch,
                               int64_t frames, int64_t stride, int64_t heads,
                               int64_t size, int64_t hidden, int64_t threads) {
  const Shape shape{batch, frames, stride, heads, size, hidden};
  const int64_t width = shape.width(), segments = shape.segments();
#pragma omp parallel num_threads(threads)
  {
    Block query;
    Units made;
    Floats columns, output(BLOCK * width);
#pragma omp for collapse(2)
    for (int64_t pair = 0; pair < batch * heads; ++pair)
      for (int64_t segment = 0; segment < segments; ++segment) {
        const Run run(shape, pair, segment, is_padding);
        made.pack(run, gate, up, false);
        pack_columns(rows_of(run, down), 0, size, hidden, columns);
        for (int64_t start = run.start(); start < run.end(); start += BLOCK) {
          query.read(run, {q, scale, offset}, start, true);
          made.evaluate(shape, query);
          multiply({made.hidden.data(), shape.units(), 1},
                   {columns.data(), LANES, LANES * hidden}, query.rows(),
                   width / LANES, hidden, false, output.data(), width);
          for (int64_t r = 0; r < query.count; ++r) {
            const int64_t at = run.at(start + r);
            if (run.is_valid(start + r))
              join(output.data() + r * width, norm, opening[at], size, y + at * size);
            else
              std::fill_n(y + at * size, size, 0.0f);
          }
        }
      }
  }
}

// Those of q, scale, offset, gate and up as above; of down (batch, heads, segments,
// size, hidden) and norm (batch, heads, segments, size), zero before, to be added.
extern "C" void answer_backward(
    const float *grad, const float *q, const float *scale, const float *offset,
    const float *gate, const float *up, const float *down, const float *norm,
    const float *opening, const uint8_t *is_padding, float *grad_q, float *grad_scale,
    float *grad_offset, float *grad_gate, float *grad_up, float *grad_down,
    float *grad_norm, float *grad_opening, int64_t batch, int64_t frames,
    int64_t stride, int64_t heads, int64_t size, int64_t hidden, int64_t threads) {
  const Shape shape{batch, frames, stride, heads, size, hidden};
  const Raw queries{q, scale, offset};
  const int64_t units = shape.units(), width = shape.width();
  const int64_t segments = shape.segments();
#pragma omp parallel num_threads(threads)
  {
    Block query;
    Units made;
    Slopes slopes;
    Floats rows, columns, sum, output(BLOCK * width), to_output;
#pragma omp for collapse(2)
    for (int64_t pair = 0; pair < batch * heads; ++pair)
      for (int64_t segment = 0; segment < segments; ++segment) {
        const Run run(shape, pair, segment, is_padding);
        made.pack(run, gate, up, true);
        pack_rows(rows_of(run, down), 0, size, hidden, 1.0f, rows);
        pack_columns(rows_of(run, down), 0, size, hidden, columns);
        slopes.begin(shape);
        sum.assign(size * units, 0.0f);
        for (int64_t start = run.start(); start < run.end(); start += BLOCK) {
          query.read(run, queries, start, true);
          made.evaluate(shape, query);
          multiply({made.hidden.data(), units, 1},
                   {columns.data(), LANES, LANES * hidden}, query.rows(),
                   width / LANES, hidden, false, output.data(), width);
          to_output.assign(BLOCK * width, 0.0f);
          for (int64_t r = 0; r < query.count; ++r) {
            const int64_t at = run.at(start + r);
            grad_opening[at] =
                run.is_valid(start + r)
                    ? disjoin(grad + at * size, output.data() + r * width, norm,
                              opening[at], size, to_output.data() + r * width,
                              grad_norm + run.part() * size)
                    : 0.0f;
          }
          multiply({to_output.data(), 1, width}, {made.hidden.data(), units}, size,
                   units / LANES, query.rows(), true, sum.data(), units);
          multiply({to_output.data(), width, 1}, {rows.data(), units}, query.rows(),
                   units / LANES, size, false, slopes.hidden.data(), units);
          slopes.pull(shape, made, query);
          slopes.write(run, queries, query, true, grad_q, heads * size);
        }
        write_down(run, sum, grad_down);
        slopes.finish(run, grad_gate, grad_up, grad_scale, grad_offset);
      }
  }
}
