// The selective scan of `selective_scan.py` and its gradients on a CPU, in float32.
//
// All arrays are contiguous: u, delta, y (batch, channels, frames), A (channels, N),
// B, C (batch, frames, N). N, the state's size, is fixed when this is compiled.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr int64_t N = D_STATE;

// One step of a channel's state: after = decay * before + input * b.
inline void advance(const float *a, const float *b, float delta, float input,
                    const float *before, float *decay, float *after) {
#pragma omp simd
  for (int64_t n = 0; n < N; ++n) {
    decay[n] = std::exp(delta * a[n]);
    after[n] = decay[n] * before[n] + input * b[n];
  }
}

// Gradients of one channel; those of A, B, C are added to what stands there. The
// states are computed anew, since keeping them would take N times the memory.
void differentiate(const float *grad, const float *u, const float *delta,
                   const float *a, const float *b, const float *c, float *grad_u,
                   float *grad_delta, float *grad_a, float *grad_b, float *grad_c,
                   int64_t frames, float *states, float *decays) {
  std::fill_n(states, N, 0.0f);
  for (int64_t t = 0; t < frames; ++t)
    advance(a, b + t * N, delta[t], delta[t] * u[t], states + t * N, decays + t * N,
            states + (t + 1) * N);
  float adjoint[N] = {};
  for (int64_t t = frames - 1; t >= 0; --t) {
    const float *before = states + t * N, *after = before + N, *decay = decays + t * N;
    float from_input = 0.0f, from_decay = 0.0f;
#pragma omp simd reduction(+ : from_input, from_decay)
    for (int64_t n = 0; n < N; ++n) {
      grad_c[t * N + n] += grad[t] * after[n];
      adjoint[n] += grad[t] * c[t * N + n];
      grad_b[t * N + n] += adjoint[n] * delta[t] * u[t];
      from_input += adjoint[n] * b[t * N + n];
      adjoint[n] *= decay[n];
      from_decay += adjoint[n] * before[n] * a[n];
      grad_a[n] += adjoint[n] * before[n] * delta[t];
    }
    grad_u[t] = from_input * delta[t];
    grad_delta[t] = from_input * u[t] + from_decay;
  }
}

}  // namespace

extern "C" void scan_forward(const float *u, const float *delta, const float *A,
                             const float *B, const float *C, float *y, int64_t batch,
                             int64_t channels, int64_t frames, int64_t threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < batch * channels; ++row) {
    const float *a = A + row % channels * N;
    const float *b = B + row / channels * frames * N;
    const float *c = C + row / channels * frames * N;
    float state[N] = {}, decay[N];
    for (int64_t t = 0; t < frames; ++t) {
      const float step = delta[row * frames + t];
      advance(a, b + t * N, step, step * u[row * frames + t], state, decay, state);
      float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
      for (int64_t n = 0; n < N; ++n) sum += state[n] * c[t * N + n];
      y[row * frames + t] = sum;
    }
  }
}

// Channels are split into groups, each with sums of its own, for the caller to add:
// grad_A (batch, channels, N); grad_B, grad_C (batch, groups, frames, N), all zero.
extern "C" void scan_backward(const float *grad, const float *u, const float *delta,
                              const float *A, const float *B, const float *C,
                              float *grad_u, float *grad_delta, float *grad_A,
                              float *grad_B, float *grad_C, int64_t batch,
                              int64_t channels, int64_t frames, int64_t groups,
                              int64_t threads) {
  const int64_t size = (channels + groups - 1) / groups;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> states((frames + 1) * N), decays(frames * N);
#pragma omp for
    for (int64_t task = 0; task < batch * groups; ++task) {
      const int64_t item = task / groups, first = task % groups * size;
      const float *b = B + item * frames * N, *c = C + item * frames * N;
      float *grad_b = grad_B + task * frames * N, *grad_c = grad_C + task * frames * N;
      for (int64_t k = first; k < std::min(first + size, channels); ++k) {
        const int64_t row = item * channels + k, at = row * frames;
        differentiate(grad + at, u + at, delta + at, A + k * N, b, c, grad_u + at,
                      grad_delta + at, grad_A + row * N, grad_b, grad_c, frames,
                      states.data(), decays.data());
      }
    }
  }
}
