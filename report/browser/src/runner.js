// Asks the worker, one picture at a time, and starts it anew where a picture ends or holds it.

import { Refused } from "./limits.js";

const LONGEST = 120_000; // milliseconds for one picture

export class Runner {
  // script: the worker's text; parts: what it needs, by name; about: the model.
  constructor(script, parts, about) {
    this.address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.parts = parts;
    this.about = about;
    this.waiting = { urgent: [], answers: [], maps: [] }; // asked in this order
    this.current = null;
    this.begin();
  }

  begin() {
    this.worker = new Worker(this.address);
    this.ready = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        if (data.kind === "ready") resolve();
        else if (data.kind === "failed") reject(new Error(data.reason));
        else this.finish(data);
      };
      this.worker.onerror = (event) => {
        event.preventDefault();
        const reason = event.message || "the memory of the browser did not do";
        if (this.current) this.restart(`failed: ${reason}`);
        else reject(new Error(reason));
      };
    });
    this.ready.catch(() => {}); // whoever waits for it is told
    this.worker.postMessage({ kind: "start", parts: this.parts, about: this.about });
  }

  // What the model says of a file and its name. Refused: why it is not taken.
  answer(item) {
    return this.ask(this.waiting.answers, item, { wanted: "answer" });
  }

  // The map of a frame alone.
  map(item, frame, isUrgent) {
    const { urgent, maps } = this.waiting;
    return this.ask(isUrgent ? urgent : maps, item, { wanted: "map", frame });
  }

  // A frame with its pixels, answer and map: the reader looks at it, no longer at another one.
  view(item, frame) {
    this.takeBack("urgent", (job) => job.wanted === "view", "another one is looked at");
    return this.ask(this.waiting.urgent, item, { wanted: "view", frame });
  }

  ask(queue, { file, name }, { wanted, frame = null }) {
    return new Promise((resolve, reject) => {
      queue.push({ file, name, wanted, frame, resolve, reject });
      this.next();
    });
  }

  // Takes back the answers that were asked and have not begun.
  forget() {
    this.takeBack("answers", () => true, "stopped");
  }

  takeBack(name, isMeant, reason) {
    const jobs = this.waiting[name];
    this.waiting[name] = jobs.filter((job) => !isMeant(job));
    for (const { reject } of jobs.filter(isMeant)) reject(new Refused(reason));
  }

  async next() {
    if (this.current) return;
    const job = Object.values(this.waiting)
      .find((jobs) => jobs.length > 0)
      ?.shift();
    if (!job) return;
    this.current = job;
    try {
      await this.ready;
    } catch (error) {
      this.current = null;
      job.reject(error);
      for (const name of Object.keys(this.waiting)) {
        this.takeBack(name, () => true, error.message);
      }
      return;
    }
    const words = `took over ${LONGEST / 1000} seconds; use predict.py for it`;
    job.timer = setTimeout(() => this.restart(words), LONGEST);
    const { file, name, frame, wanted } = job;
    this.worker.postMessage({ kind: "picture", file, name, frame, wanted });
  }

  finish(data) {
    const job = this.current;
    if (!job) return;
    clearTimeout(job.timer);
    this.current = null;
    if (data.kind === "answer") job.resolve(data.result);
    else job.reject(new Refused(data.reason));
    this.next();
  }

  restart(reason) {
    this.worker.terminate();
    this.begin();
    this.finish({ kind: "refused", reason });
  }
}
