// One stream: samples to the server, messages from it.

export const RATE = 16000;

const FULL_SCALE = 32768;

export class Stream {
  // listen: called with each message of the server, and the stream
  // -> Promise of a stream that may be sent to
  static open(listen) {
    return new Promise((resolve, reject) => {
      const stream = new Stream(listen);
      stream.closed.then((reason) => reject(new Error(reason)));
      stream.onReady = () => resolve(stream);
    });
  }

  constructor(listen) {
    const url = new URL("stream", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.sentSeconds = 0;
    this.heardSeconds = 0;
    this.waiting = [];
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.receive(JSON.parse(data), listen);
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason }) => {
        this.wake();
        resolve(code === 1000 ? "" : reason || "no connection to the server");
      };
    });
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  // seconds sent that the server has not recognized yet
  get behind() {
    return Math.max(0, this.sentSeconds - this.heardSeconds);
  }

  receive(message, listen) {
    if (message.type === "ready") this.onReady();
    if ("audio_seconds" in message) {
      this.heardSeconds = message.audio_seconds;
      this.wake();
    }
    listen(message, this);
  }

  // samples: Float32Array at RATE
  send(samples) {
    if (!this.isOpen) return;
    const frame = new DataView(new ArrayBuffer(2 * samples.length));
    for (let i = 0; i < samples.length; i++) {
      const value = Math.round(samples[i] * FULL_SCALE);
      frame.setInt16(2 * i, Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, value)), true);
    }
    this.socket.send(frame);
    this.sentSeconds += samples.length / RATE;
  }

  // Promise that the server is no more than so many seconds behind, or has gone
  async room(seconds) {
    while (this.isOpen && this.behind > seconds) {
      await new Promise((resolve) => this.waiting.push(resolve));
    }
  }

  wake() {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  // the server answers with the last words, then closes
  finish() {
    if (this.isOpen) this.socket.send("end");
  }

  // nothing more is sent or listened to
  abandon() {
    this.socket.onmessage = null;
    this.socket.close();
  }
}
