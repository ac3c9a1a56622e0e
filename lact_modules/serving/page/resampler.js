// Changes the sample rate of a stream with a windowed sinc, piece by piece.

const ZERO_CROSSINGS = 16;
const PASS_BAND = 0.95; // of the lower Nyquist frequency

export class Resampler {
  constructor(from, to) {
    const divisor = greatestCommonDivisor(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    const cutoff = PASS_BAND * Math.min(1, to / from);
    this.reach = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.filters = new Map();
    this.cutoff = cutoff;
    // silence before the first sample, so that the first output is in its middle
    this.rest = new Float32Array(this.reach);
    this.position = this.reach * this.up; // of the next output, in 1/up samples
  }

  // Float32Array at the old rate -> Float32Array at the new rate
  push(samples) {
    if (this.up === this.down) return samples;
    const input = new Float32Array(this.rest.length + samples.length);
    input.set(this.rest);
    input.set(samples, this.rest.length);
    const output = [];
    for (;;) {
      const centre = Math.floor(this.position / this.up);
      if (centre + this.reach >= input.length) break;
      const filter = this.filter(this.position % this.up);
      const start = centre - this.reach + 1;
      let sum = 0;
      for (let i = 0; i < filter.length; i++) sum += filter[i] * input[start + i];
      output.push(sum);
      this.position += this.down;
    }
    const keep = Math.max(0, Math.floor(this.position / this.up) - this.reach + 1);
    const used = Math.min(keep, input.length);
    this.rest = input.slice(used);
    this.position -= used * this.up;
    return Float32Array.from(output);
  }

  // taps for an output that lies phase / up behind an input sample
  filter(phase) {
    if (!this.filters.has(phase)) {
      const taps = new Float32Array(2 * this.reach);
      let sum = 0;
      for (let i = 0; i < taps.length; i++) {
        const distance = i - this.reach + 1 - phase / this.up;
        const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / this.reach);
        taps[i] = sinc(this.cutoff * distance) * window;
        sum += taps[i];
      }
      this.filters.set(phase, taps.map((tap) => tap / sum));
    }
    return this.filters.get(phase);
  }
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
