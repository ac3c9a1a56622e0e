// The page: buttons, one stream at a time, its text and its numbers.

import { readAudio } from "./audio_file.js";
import { Microphone } from "./microphone.js";
import { RATE, Stream } from "./stream.js";
import { Transcript } from "./transcript.js";

const FILE_AHEAD_SECONDS = 8; // of a file, sent before the server has recognized them
const FILE_PIECE = RATE / 4;
const MAX_BEHIND_SECONDS = 30; // a live stream further behind is useless

const find = (id) => document.getElementById(id);
const transcript = new Transcript(find("finals"), find("stable"), find("open"));
let stop = null; // ends the current stream

function showStatus(text, isAlarm = false) {
  find("status").textContent = text;
  find("status").classList.toggle("alarm", isAlarm);
}

function setBusy(isBusy) {
  document.body.classList.toggle("busy", isBusy);
  for (const id of ["microphone", "file"]) find(id).disabled = isBusy;
  find("stop").disabled = !isBusy;
}

function show(message, stream) {
  if (message.type === "partial") transcript.setPartial(message);
  if (message.type === "final") transcript.addFinal(message.words);
  if ("audio_seconds" in message) {
    const numbers = [`${message.audio_seconds.toFixed(1)} s of audio`];
    if (message.type === "end") {
      numbers.push(`real-time factor ${message.real_time_factor.toFixed(3)}`);
    } else {
      numbers.push(`${stream.behind.toFixed(1)} s behind`);
    }
    find("numbers").textContent = numbers.join(", ");
  }
}

// send: sends samples until there are no more or `stopped` resolves; returns the stream
async function run(send) {
  setBusy(true);
  const stopped = new Promise((resolve) => (stop = resolve));
  try {
    const stream = await send(stopped);
    showStatus("Finishing ...");
    stream.finish();
    const reason = await stream.closed;
    showStatus(reason ? `Stopped: ${reason}.` : "Done.", Boolean(reason));
  } catch (error) {
    showStatus(`Failed: ${error.message}.`, true);
  }
  stop = null;
  setBusy(false);
}

async function connect() {
  showStatus("Connecting ...");
  transcript.separate();
  return Stream.open(show);
}

async function sendMicrophone(stopped) {
  let stream = null;
  let giveUp;
  const hopeless = new Promise((resolve, reject) => (giveUp = reject));
  showStatus("Waiting for the microphone ...");
  const microphone = await Microphone.open(RATE, (samples) => {
    if (stream === null) return;
    stream.send(samples);
    if (stream.behind > MAX_BEHIND_SECONDS) {
      giveUp(new Error(`the server is more than ${MAX_BEHIND_SECONDS} s behind`));
    }
  });
  try {
    microphone.onLost(() => giveUp(new Error("the microphone is gone")));
    stream = await connect();
    showStatus("Listening ...");
    await Promise.race([stopped, stream.closed, hopeless]);
    return stream;
  } catch (error) {
    if (stream) stream.abandon();
    throw error;
  } finally {
    microphone.close();
  }
}

async function sendFile(file, stopped) {
  showStatus(`Reading ${file.name} ...`);
  const samples = await readAudio(file, RATE);
  const stream = await connect();
  let isOver = false;
  const over = Promise.race([stopped, stream.closed]).then(() => (isOver = true));
  showStatus(`Transcribing ${file.name} (${(samples.length / RATE).toFixed(1)} s) ...`);
  for (let start = 0; start < samples.length && !isOver; start += FILE_PIECE) {
    stream.send(samples.subarray(start, start + FILE_PIECE));
    await Promise.race([stream.room(FILE_AHEAD_SECONDS), over]);
  }
  return stream;
}

find("microphone").addEventListener("click", () => run(sendMicrophone));
find("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = ""; // the same file may be chosen again
  if (file) run((stopped) => sendFile(file, stopped));
});
find("stop").addEventListener("click", () => stop && stop());
find("clear").addEventListener("click", () => transcript.clear());
find("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(transcript.text);
    showStatus("Copied.");
  } catch {
    showStatus("The browser does not let this page copy.", true);
  }
});
