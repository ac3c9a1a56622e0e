// The transcript on the page: final words in black, words that may change in grey.

export class Transcript {
  // finals: utterances that ended; stable and open: words of the partial hypothesis
  constructor(finals, stable, open) {
    this.finals = finals;
    this.stable = stable;
    this.open = open;
  }

  get text() {
    const parts = [this.finals, this.stable, this.open];
    return parts.map((part) => part.innerText.trim()).join(" ").trim();
  }

  setPartial({ text, num_stable }) {
    const words = text.split(" ");
    this.stable.textContent = words.slice(0, num_stable).join(" ");
    this.open.textContent = words.slice(num_stable).join(" ");
    this.follow();
  }

  addFinal(words) {
    for (const { word, start, end } of words) {
      const span = document.createElement("span");
      span.textContent = word;
      span.title = `${start.toFixed(2)} - ${end.toFixed(2)} s`;
      this.finals.append(span, " ");
    }
    this.dropPartial();
  }

  // the text of another stream begins on a line of its own
  separate() {
    this.dropPartial();
    if (this.finals.textContent) this.finals.append(document.createElement("br"));
  }

  clear() {
    this.finals.replaceChildren();
    this.dropPartial();
  }

  dropPartial() {
    this.setPartial({ text: "", num_stable: 0 });
  }

  follow() {
    const box = this.finals.parentElement;
    box.scrollTop = box.scrollHeight;
  }
}
