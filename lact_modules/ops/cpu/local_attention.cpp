// What `attention.py` computes of near keys, and its gradients, in float32 on a CPU:
// blocks of queries, each beside the keys that it may see, in a cache.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "channels.h"
#include "products.h"

namespace {

// queries of a block, and of the blocks that share the keys brought into a cache
constexpr int64_t BLOCK = 32, SEGMENT = 256;
// stands for minus infinity, which -ffast-math does not know
constexpr float NEVER = -1e30f;
// the least exponent that vectors of exp take without help
constexpr float LEAST = -80.0f;

// Queries of one head, and which keys they see: query t those from first[t] to stop[t].
struct Queries {
  int64_t start, end, from, until;
  Queries(int64_t start, int64_t end, const int64_t *first, const int64_t *stop)
      : start(start),
        end(end),
        from(*std::min_element(first + start, first + end)),
        until(*std::max_element(stop + start, stop + end)) {}
  int64_t count() const { return end - start; }
};

// What is added to the scores of keys, which end with a panel.
void pack_padding(const uint8_t *is_padding, int64_t from, int64_t count, Floats &to) {
  to.assign(in_panels(count) * LANES, 0.0f);
  if (is_padding)
    for (int64_t n = 0; n < count; ++n) to[n] = is_padding[from + n] ? 2.0f * NEVER : 0.0f;
}

// Leave the scores of what is seen: keys from first to stop, no padding, and itself.
void mask(float *score, const float *bias, int64_t width, int64_t first, int64_t stop,
          int64_t itself) {
  const float kept = score[itself];
#pragma omp simd
  for (int64_t n = 0; n < width; ++n)
    score[n] = n >= first && n < stop ? std::max(score[n] + bias[n], NEVER) : NEVER;
  score[itself] = kept;
}

// Replace scores by exp(score - maximum), and give maximum + log of their sum.
float exponentiate(float *score, int64_t width, float *inverse) {
  float maximum = NEVER, sum = 0.0f;
#pragma omp simd reduction(max : maximum)
  for (int64_t n = 0; n < width; ++n)
    maximum = score[n] > maximum ? score[n] : maximum;
#pragma omp simd reduction(+ : sum)
  for (int64_t n = 0; n < width; ++n) {
    score[n] = score[n] > NEVER ? std::exp(std::max(score[n] - maximum, LEAST)) : 0.0f;
    sum += score[n];
  }
  *inverse = 1.0f / sum;
  return maximum + std::log(sum);
}

inline float *place(float *x, const int64_t *stride, int64_t item, int64_t frame,
                    int64_t head) {
  return x + item * stride[0] + frame * stride[1] + head * stride[2];
}

// Arguments of all calls: strides are those of (batch, frames, heads).
struct Shape {
  int64_t batch, frames, keys, heads, size;
  int64_t width() const { return in_panels(size) * LANES; }
  int64_t past() const { return keys - frames; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(size)); }
  // of contiguous (batch, count, heads, size)
  int64_t at(int64_t item, int64_t count, int64_t head) const {
    return (item * count * heads + head) * size;
  }
};

// Cosine and sine (keys, size / 2) of the angles by which keys, and the queries that
// belong to them, are turned; null where they are not.
struct Turns {
  const float *cosine, *sine;
  int64_t half;

  void apply(int64_t key, float direction, float *y) const {
    if (cosine) turn(cosine + key * half, sine + key * half, half, direction, y);
  }

  // `count` rows, turned as keys from `key` on; `to` holds them
  Rows rows(Rows x, int64_t from, int64_t count, int64_t key, Floats &to) const {
    if (!cosine) return {x.data + from * x.row, x.row};
    const int64_t size = 2 * half;
    to.resize(count * size);
    for (int64_t t = 0; t < count; ++t) {
      const float *in = x.data + (from + t) * x.row;
      for (int64_t n = 0; n < size; n += LINE) __builtin_prefetch(in + AHEAD * x.row + n);
      std::copy_n(in, size, to.data() + t * size);
      apply(key + t, 1.0f, to.data() + t * size);
    }
    return {to.data(), size};
  }
};

}  // namespace

// q (batch, frames, heads, size), k and v (batch, keys, heads, size), whose last frames
// are those of q; strides (3, 3) of q, k, v. is_padding (batch, keys) may be null. y
// (batch, frames, heads, size), total (batch, heads, frames): log of the sums of exp.
extern "C" void attention_forward(const float *q, const float *k, const float *v,
                                  const int64_t *strides, const uint8_t *is_padding,
                                  const int64_t *first, const int64_t *stop,
                                  const float *cosine, const float *sine, float *y,
                                  float *total, int64_t batch, int64_t frames,
                                  int64_t keys, int64_t heads, int64_t size,
                                  int64_t threads) {
  const Shape shape{batch, frames, keys, heads, size};
  const Turns turns{cosine, sine, size / 2};
  const int64_t width = shape.width(), segments = (frames + SEGMENT - 1) / SEGMENT;
#pragma omp parallel num_threads(threads)
  {
    Floats columns, rows, bias, query, scores, turned, output(BLOCK * width);
#pragma omp for collapse(2)
    for (int64_t pair = 0; pair < batch * heads; ++pair)
      for (int64_t segment = 0; segment < segments; ++segment) {
        const int64_t item = pair / heads, head = pair % heads;
        auto of = [&](const float *x, const int64_t *stride) {
          return Rows{x + item * stride[0] + head * stride[2], stride[1]};
        };
        const int64_t end = std::min(frames, (segment + 1) * SEGMENT);
        const Queries all(segment * SEGMENT, end, first, stop);
        const int64_t count = all.until - all.from;
        pack_columns(turns.rows(of(k, strides + 3), all.from, count, all.from, turned),
                     0, count, size, columns);
        pack_rows(of(v, strides + 6), all.from, count, size, 1.0f, rows);
        pack_padding(is_padding ? is_padding + item * keys : nullptr, all.from, count,
                     bias);
        for (int64_t start = all.start; start < end; start += BLOCK) {
          const Queries block(start, std::min(end, start + BLOCK), first, stop);
          const int64_t skipped = (block.from - all.from) / LANES * LANES;
          const int64_t base = all.from + skipped, depth = block.until - base;
          const int64_t panels = in_panels(depth), seen = panels * LANES;
          pack_rows(turns.rows(of(q, strides), start, block.count(),
                               start + shape.past(), turned),
                    0, block.count(), size, shape.scale(), query);
          scores.resize(BLOCK * seen);
          multiply({query.data(), width, 1},
                   {columns.data() + skipped * size, LANES, LANES * size},
                   block.count(), panels, size, false, scores.data(), seen);
          float inverse[BLOCK];
          for (int64_t r = 0; r < block.count(); ++r) {
            const int64_t t = start + r;
            float *score = scores.data() + r * seen;
            mask(score, bias.data() + skipped, seen, first[t] - base, stop[t] - base,
                 t + shape.past() - base);
            total[pair * frames + t] = exponentiate(score, seen, inverse + r);
          }
          multiply({scores.data(), seen, 1}, {rows.data() + skipped * width, width},
                   block.count(), width / LANES, depth, false, output.data(), width);
          for (int64_t r = 0; r < block.count(); ++r) {
            float *out = y + shape.at(item, frames, head) + (start + r) * heads * size;
#pragma omp simd
            for (int64_t n = 0; n < size; ++n)
              out[n] = output[r * width + n] * inverse[r];
          }
        }
      }
  }
}

// As above, with strides (6, 3), also of the gradients. grad, y and grad_q (batch,
// frames, heads, size); grad_k and grad_v (batch, keys, heads, size), zero before.
extern "C" void attention_backward(
    const float *grad, const float *q, const float *k, const float *v,
    const int64_t *strides, const uint8_t *is_padding, const int64_t *first,
    const int64_t *stop, const float *cosine, const float *sine, const float *y,
    const float *total, float *grad_q,
    float *grad_k, float *grad_v, int64_t batch, int64_t frames, int64_t keys,
    int64_t heads, int64_t size, int64_t threads) {
  const Shape shape{batch, frames, keys, heads, size};
  const Turns turns{cosine, sine, size / 2};
  const int64_t width = shape.width(), panels_of_head = width / LANES;
#pragma omp parallel num_threads(threads)
  {
    Floats k_columns, k_rows, v_columns, bias, query, from_output, scores, slopes;
    Floats turned, to_query(BLOCK * width), to_key, to_value;
#pragma omp for
    for (int64_t pair = 0; pair < batch * heads; ++pair) {
      const int64_t item = pair / heads, head = pair % heads;
      auto of = [&](const float *x, const int64_t *stride) {
        return Rows{x + item * stride[0] + head * stride[2], stride[1]};
      };
      const int64_t here = shape.at(item, frames, head);
      for (int64_t from = 0; from < frames; from += SEGMENT) {
        const Queries all(from, std::min(frames, from + SEGMENT), first, stop);
        const int64_t count = all.until - all.from;
        const Rows key_rows =
            turns.rows(of(k, strides + 3), all.from, count, all.from, turned);
        pack_columns(key_rows, 0, count, size, k_columns);
        pack_rows(key_rows, 0, count, size, 1.0f, k_rows);
        pack_columns(of(v, strides + 6), all.from, count, size, v_columns);
        pack_padding(is_padding ? is_padding + item * keys : nullptr, all.from, count,
                     bias);
        to_key.assign(in_panels(count) * LANES * width, 0.0f);
        to_value.assign(in_panels(count) * LANES * width, 0.0f);
        for (int64_t start = all.start; start < all.end; start += BLOCK) {
          const Queries block(start, std::min(all.end, start + BLOCK), first, stop);
          const int64_t skipped = (block.from - all.from) / LANES * LANES;
          const int64_t base = all.from + skipped, depth = block.until - base;
          const int64_t panels = in_panels(depth), seen = panels * LANES;
          const int64_t queries = block.count();
          pack_rows(turns.rows(of(q, strides), start, queries, start + shape.past(),
                               turned),
                    0, queries, size, shape.scale(), query);
          pack_rows({grad + here, heads * size}, start, queries, size, 1.0f,
                    from_output);
          scores.resize(BLOCK * seen);
          slopes.resize(BLOCK * seen);
          multiply({query.data(), width, 1},
                   {k_columns.data() + skipped * size, LANES, LANES * size}, queries,
                   panels, size, false, scores.data(), seen);
          multiply({from_output.data(), width, 1},
                   {v_columns.data() + skipped * size, LANES, LANES * size}, queries,
                   panels, size, false, slopes.data(), seen);
          for (int64_t r = 0; r < queries; ++r) {
            const int64_t t = start + r;
            float *score = scores.data() + r * seen, *slope = slopes.data() + r * seen;
            mask(score, bias.data() + skipped, seen, first[t] - base, stop[t] - base,
                 t + shape.past() - base);
            const float *out = y + here + t * heads * size;
            const float sum = total[pair * frames + t];
            float mean = 0.0f;
#pragma omp simd reduction(+ : mean)
            for (int64_t n = 0; n < size; ++n)
              mean += from_output[r * width + n] * out[n];
#pragma omp simd
            for (int64_t n = 0; n < seen; ++n) {
              score[n] =
                  score[n] > NEVER ? std::exp(std::max(score[n] - sum, LEAST)) : 0.0f;
              slope[n] = score[n] * (slope[n] - mean);
            }
          }
          multiply({scores.data(), 1, seen}, {from_output.data(), width}, seen,
                   panels_of_head, queries, true, to_value.data() + skipped * width,
                   width);
          multiply({slopes.data(), 1, seen}, {query.data(), width}, seen,
                   panels_of_head, queries, true, to_key.data() + skipped * width,
                   width);
          multiply({slopes.data(), seen, 1}, {k_rows.data() + skipped * width, width},
                   queries, panels_of_head, depth, false, to_query.data(), width);
          for (int64_t r = 0; r < queries; ++r) {
            float *out = place(grad_q, strides + 9, item, start + r, head);
#pragma omp simd
            for (int64_t n = 0; n < size; ++n)
              out[n] = shape.scale() * to_query[r * width + n];
            turns.apply(start + r + shape.past(), -1.0f, out);
          }
        }
        for (int64_t n = 0; n < count; ++n) {
          turns.apply(all.from + n, -1.0f, to_key.data() + n * width);
          float *key = place(grad_k, strides + 12, item, all.from + n, head);
          float *value = place(grad_v, strides + 15, item, all.from + n, head);
#pragma omp simd
          for (int64_t c = 0; c < size; ++c) {
            key[c] += to_key[n * width + c];
            value[c] += to_value[n * width + c];
          }
        }
      }
    }
  }
}
