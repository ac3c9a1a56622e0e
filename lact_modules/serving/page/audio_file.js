// An audio file as samples of one channel at the wanted rate.

const MAX_BYTES = 256 * 2 ** 20; // the browser keeps the file and its samples in memory

// File, Hz -> Float32Array
export async function readAudio(file, rate) {
  if (file.size > MAX_BYTES) {
    throw new Error(`${file.name} is larger than ${MAX_BYTES / 2 ** 20} MB`);
  }
  // decoding resamples to the rate of the context
  const context = new OfflineAudioContext(1, 1, rate);
  let decoded;
  try {
    decoded = await context.decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    throw new Error(`${file.name}: not audio that this browser can read`, { cause: error });
  }
  const samples = decoded.getChannelData(0);
  for (let channel = 1; channel < decoded.numberOfChannels; channel++) {
    const other = decoded.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) samples[i] += other[i];
  }
  if (decoded.numberOfChannels > 1) {
    for (let i = 0; i < samples.length; i++) samples[i] /= decoded.numberOfChannels;
  }
  return samples;
}
