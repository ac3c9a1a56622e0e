// The microphone as a source of samples at the wanted rate.

import { Resampler } from "./resampler.js";

export class Microphone {
  // rate: Hz; listen: called with Float32Array
  static async open(rate, listen) {
    if (!navigator.mediaDevices) {
      throw new Error("the browser gives the microphone to https and localhost alone");
    }
    // processing for calls changes the recognizer's input
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const media = await navigator.mediaDevices.getUserMedia({ audio });
    const microphone = new Microphone(media, new AudioContext());
    try {
      await microphone.connect(rate, listen);
    } catch (error) {
      microphone.close();
      throw error;
    }
    return microphone;
  }

  constructor(media, context) {
    this.media = media;
    this.context = context;
  }

  async connect(rate, listen) {
    await this.context.audioWorklet.addModule("worklet.js").catch(() => {
      throw new Error("no connection to the server");
    });
    const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
    const resampler = new Resampler(this.context.sampleRate, rate);
    tap.port.onmessage = ({ data }) => listen(resampler.push(data));
    this.context.createMediaStreamSource(this.media).connect(tap);
    await this.context.resume();
  }

  // called when the device is unplugged or taken away
  onLost(callback) {
    for (const track of this.media.getTracks()) track.onended = callback;
  }

  close() {
    for (const track of this.media.getTracks()) track.stop();
    if (this.context.state !== "closed") this.context.close();
  }
}
