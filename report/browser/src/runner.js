// Asks the worker, one picture at a time, and starts it anew where a picture ends or holds it.

import { Refused } from "./limits.js";

const LONGEST = 120_000; // milliseconds for one picture

export class Runner {
  // script: the worker's text; parts: what it needs, by name; about: the model.
  constructor(script, parts, about) {
    this.address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.parts = parts;
    this.about = about;
    this.waiting = [];
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
  ask({ file, name }, { frame = null, isViewed = false } = {}) {
    return new Promise((resolve, reject) => {
      const job = { file, name, frame, isViewed, resolve, reject };
      if (isViewed) this.putFirst(job);
      else this.waiting.push(job);
      this.next();
    });
  }

  // The reader looks at it, and no longer at what was to be viewed before.
  putFirst(job) {
    for (const { reject } of this.waiting.filter((each) => each.isViewed)) {
      reject(new Refused("another one is looked at"));
    }
    this.waiting = [job, ...this.waiting.filter((each) => !each.isViewed)];
  }

  // Takes back what was asked and has not begun.
  forget() {
    for (const { reject } of this.waiting.splice(0)) reject(new Refused("stopped"));
  }

  async next() {
    if (this.current || this.waiting.length === 0) return;
    const job = this.waiting.shift();
    this.current = job;
    try {
      await this.ready;
    } catch (error) {
      this.current = null;
      for (const { reject } of [job, ...this.waiting.splice(0)]) reject(error);
      return;
    }
    const words = `took over ${LONGEST / 1000} seconds; use predict.py for it`;
    job.timer = setTimeout(() => this.restart(words), LONGEST);
    const { file, name, frame, isViewed } = job;
    this.worker.postMessage({ kind: "picture", file, name, frame, isViewed });
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
